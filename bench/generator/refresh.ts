// Refreshes: one chain of refresh tokens per connection. Each request presents the token of the answer before.
import { decodeRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Chain } from './drive.ts';
import { formRequests } from './http.ts';
import { type ReceivedTokens, readClaims } from './received_tokens.ts';

export interface RefreshLoad {
  kind: 'refresh';
  url: string;
  client_id: string;
  /** The form of the tokens: Kindred's and the floor's carry a generation, those of other servers are random. */
  tokens: 'kindred' | 'floor' | 'random';
  /** The refresh token that each chain presents first. */
  first: string[];
  /** Whether access tokens are kept for another load. */
  keep?: boolean;
}

/** Chains that refresh. */
export function refreshChains(
  { url, client_id, tokens, first, keep }: RefreshLoad,
  received: ReceivedTokens,
): Chain[] {
  const request = formRequests(url, '/token');
  return first.map((token, index) => {
    let presented = token;
    return {
      next: () => request(`grant_type=refresh_token&client_id=${client_id}&refresh_token=${presented}`),
      take(status, body) {
        if (status !== 200) throw new Error(`a refresh was answered ${status}: ${body}`);
        const answer = JSON.parse(body) as { access_token: string; refresh_token: string };
        const owner = checks[tokens](presented, answer.refresh_token);
        const claims = readClaims(answer.access_token);
        if (owner === null || (owner !== '' && claims.sid !== owner))
          throw new Error(`not the successor that was due: ${body}`);
        presented = answer.refresh_token;
        received.newest.set(String(index), answer.access_token);
        if (keep) received.kept.push(answer.access_token);
      },
    };
  });
}

// The session of the successor; '' where tokens do not name it, null when the token is no successor.
const checks: Record<RefreshLoad['tokens'], (presented: string, successor: string) => string | null> = {
  kindred(presented, successor) {
    const [before, after] = [presented, successor].map(decodeRefreshToken);
    if (!before || !after || after.session_id !== before.session_id) return null;
    return after.generation === before.generation + 1 ? after.session_id : null;
  },
  floor(presented, successor) {
    const [id = '', generation] = presented.split('.');
    return successor === `${id}.${Number(generation) + 1}` ? id : null;
  },
  random: (presented, successor) => (successor.length > 20 && successor !== presented ? '' : null),
};
