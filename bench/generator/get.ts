// Reads with a bearer token: each chain asks for one path after the other, with a token of its own.
import type { Chain } from './drive.ts';
import { bearer, getRequest } from './http.ts';

export interface GetLoad {
  kind: 'get';
  url: string;
  /** Each chain begins at another of them. */
  paths: string[];
  /** The token of each chain; with '' it sends none. There are as many chains as tokens. */
  tokens: string[];
  /** A text that each answer must have. */
  contains: string;
}

/** Chains that read. */
export function getChains({ url, paths, tokens, contains }: GetLoad): Chain[] {
  return tokens.map((token, index) => {
    const headers = token === '' ? '' : bearer(token);
    const requests = paths.map((path) => getRequest(url, path, headers));
    let at = Math.floor((index * requests.length) / tokens.length);
    return {
      next() {
        const request = requests[at % requests.length] ?? null;
        at += 1;
        return request;
      },
      take(status, body) {
        if (status !== 200 || !body.includes(contains))
          throw new Error(`a read was answered ${status}: ${body.slice(0, 500)}`);
      },
    };
  });
}
