// Refreshes: one chain of refresh tokens per connection. Each request presents the token of the answer before.
import type { JsonWebKey } from 'node:crypto';
import { decodeRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { createProver } from './dpop.ts';
import type { Chain } from './drive.ts';
import { basic, formRequests } from './http.ts';
import { type ReceivedTokens, readClaims } from './received_tokens.ts';

export interface RefreshLoad {
  kind: 'refresh';
  url: string;
  client_id: string;
  /** With it the client authenticates by the `Authorization` header. */
  client_secret?: string;
  /** The form of the tokens: Kindred's and the floor's carry a generation, those of other servers are random. */
  tokens: 'kindred' | 'floor' | 'random';
  /** The refresh token that each chain presents first. */
  first: string[];
  /** What the answer must have beside the two tokens; `opaque` access tokens do not name their session. */
  answer?: ('id_token' | 'opaque')[];
  /** The private key of each chain; with it each request has a proof. */
  proof_keys?: JsonWebKey[];
  /** Whether access tokens are kept for another load. */
  keep?: boolean;
}

interface Answer {
  access_token: string;
  refresh_token: string;
  id_token?: string;
  token_type?: string;
}

/** Chains that refresh. */
export function refreshChains(load: RefreshLoad, received: ReceivedTokens): Chain[] {
  const { url, client_id, client_secret, proof_keys } = load;
  const head = client_secret === undefined ? '' : basic({ client_id, client_secret });
  const request = formRequests(url, '/token', head);
  const client = client_secret === undefined ? `&client_id=${client_id}` : '';
  return load.first.map((token, index) => {
    let presented = token;
    const key = proof_keys?.[index];
    const prove = key && createProver(key, `${url}/token`);
    return {
      next: () =>
        request(
          `grant_type=refresh_token${client}&refresh_token=${presented}`,
          prove ? `DPoP: ${prove()}\r\n` : '',
        ),
      take(status, body) {
        if (status !== 200) throw new Error(`a refresh was answered ${status}: ${body}`);
        const answer = JSON.parse(body) as Answer;
        if (!isDue(load, presented, answer)) throw new Error(`not the successor that was due: ${body}`);
        presented = answer.refresh_token;
        received.newest.set(String(index), answer.access_token);
        if (load.keep) received.kept.push(answer.access_token);
      },
    };
  });
}

function isDue(
  { tokens, answer: wanted = [], proof_keys }: RefreshLoad,
  presented: string,
  answer: Answer,
): boolean {
  const owner = checks[tokens](presented, answer.refresh_token);
  if (owner === null) return false;
  const isOpaque = !answer.access_token.includes('.');
  if (isOpaque !== wanted.includes('opaque')) return false;
  if (owner !== '' && !isOpaque && readClaims(answer.access_token).sid !== owner) return false;
  if ((answer.id_token !== undefined) !== wanted.includes('id_token')) return false;
  return proof_keys === undefined || answer.token_type === 'DPoP';
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
