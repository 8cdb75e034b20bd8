// Lists of the caller's sessions, and logins.
import { decodeRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Chain } from './drive.ts';
import { bearer, formRequests, getRequest } from './http.ts';
import { readClaims } from './received_tokens.ts';

export interface SessionsLoad {
  kind: 'sessions';
  url: string;
  /** The bearer token of each chain. */
  tokens: string[];
  /** The id of the session that each chain's list must mark as current. */
  current: string[];
  /** How many sessions each list must have. */
  length: number;
}

interface ListedSession {
  id: string;
  is_current: boolean;
}

/** Chains that list sessions. */
export function sessionsChains({ url, tokens, current, length }: SessionsLoad): Chain[] {
  return tokens.map((token, index) => {
    const request = getRequest(url, '/api/sessions', bearer(token));
    return {
      next: () => request,
      take(status, body) {
        const list = status === 200 ? (JSON.parse(body).sessions as ListedSession[]) : [];
        const marked = list.filter((one) => one.is_current);
        const isRight = list.length === length && marked.length === 1 && marked[0]?.id === current[index];
        if (!isRight) throw new Error(`a list of sessions was answered ${status}: ${body}`);
      },
    };
  });
}

export interface LoginLoad {
  kind: 'login';
  url: string;
  client_id: string;
  password: string;
  /** The user of each chain. */
  usernames: string[];
}

/** The form of a user's login. */
export function loginForm(
  { client_id, password }: Pick<LoginLoad, 'client_id' | 'password'>,
  username: string,
): string {
  return new URLSearchParams({ grant_type: 'password', client_id, username, password }).toString();
}

/** Chains that log in by the password grant. */
export function loginChains(load: LoginLoad): Chain[] {
  const request = formRequests(load.url, '/token');
  return load.usernames.map((username) => {
    const form = loginForm(load, username);
    return {
      next: () => request(form),
      take(status, body) {
        if (status !== 200) throw new Error(`a login was answered ${status}: ${body}`);
        const answer = JSON.parse(body) as { access_token: string; refresh_token: string };
        const token = decodeRefreshToken(answer.refresh_token);
        if (token?.generation !== 0 || readClaims(answer.access_token).sid !== token.session_id)
          throw new Error(`not the tokens of a new session: ${body}`);
      },
    };
  });
}
