// Refreshes that hop over a filled table: each request rotates a random session, so that the whole table is touched.
import { createHash } from 'node:crypto';
import { decodeRefreshToken, mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import type { Chain } from './drive.ts';
import { formRequests } from './http.ts';
import type { ReceivedTokens } from './received_tokens.ts';
import { readClaims } from './received_tokens.ts';

export interface HopLoad {
  kind: 'hop';
  url: string;
  client_id: string;
  secret: string;
  sessions: FilledSessions;
  chains: number;
}

/** Sessions whose id and salt follow from their number. */
export interface FilledSessions {
  total: number;
  /** The time in the first id, and the distance to the next one, in milliseconds. */
  start: number;
  step: number;
}

/** The id of session `n`; `fill.ts` makes the same one in SQL. */
export function idOf({ start, step }: FilledSessions, n: number): string {
  const time = (start + n * step).toString(16).padStart(12, '0');
  const random = createHash('md5').update(String(n)).digest('hex');
  const hex = `${time}7${random.slice(0, 3)}a${random.slice(3, 18)}`;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The salt of session `n`. */
export function saltOf(n: number): Buffer {
  return createHash('md5').update(String(n)).digest();
}

/** Chains that hop. Each has sessions of its own, so that no two chains rotate one session at the same time. */
export function hopChains(
  { url, client_id, secret, sessions, chains }: HopLoad,
  received: ReceivedTokens,
): Chain[] {
  const request = formRequests(url, '/token');
  const keyring = createKeyring([secret]);
  const generations = new Int32Array(sessions.total);
  return Array.from({ length: chains }, (_, chain) => {
    const own = Math.floor((sessions.total - chain - 1) / chains) + 1;
    let n = chain;
    let id = '';
    return {
      next() {
        n = chain + chains * Math.floor(Math.random() * own);
        id = idOf(sessions, n);
        const token = mintRefreshToken(keyring, { id, salt: saltOf(n) }, generations[n] ?? 0);
        return request(`grant_type=refresh_token&client_id=${client_id}&refresh_token=${token}`);
      },
      take(status, body) {
        if (status !== 200) throw new Error(`a refresh was answered ${status}: ${body}`);
        const answer = JSON.parse(body) as { access_token: string; refresh_token: string };
        const successor = decodeRefreshToken(answer.refresh_token);
        const due = (generations[n] ?? 0) + 1;
        const isRight = successor?.generation === due && successor.session_id === id;
        if (!isRight || readClaims(answer.access_token).sid !== id)
          throw new Error(`not the successor that was due: ${body}`);
        generations[n] = due;
        received.newest.set(String(chain), answer.access_token);
      },
    };
  });
}
