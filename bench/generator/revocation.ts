// Revocations (RFC 7009) of refresh tokens: of sessions that were opened before, or each behind a login of its own.
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import type { Chain } from './drive.ts';
import { type FilledSessions, idOf, saltOf } from './hop.ts';
import { formRequests } from './http.ts';
import { type LoginLoad, loginForm } from './sessions.ts';

export interface RevocationLoad {
  kind: 'revocation';
  url: string;
  /** The path of the endpoint, `/revoke` by default. */
  path?: string;
  client_id: string;
  /** Whose tokens: Kindred's are minted from this secret, those of stock are numbers. */
  secret: string | null;
  sessions: FilledSessions;
  chains: number;
}

/** The refresh token number `n` of stock. `bench/benches/revocation.ts` makes the same one in SQL. */
export function numberedToken(n: number): string {
  return String(n).padStart(43, 'r');
}

/** Chains that revoke each session once. Each has sessions of its own, so that no two wait for one user's row. */
export function revocationChains(load: RevocationLoad): Chain[] {
  const { sessions, chains, secret, client_id } = load;
  const request = formRequests(load.url, load.path ?? '/revoke');
  const keyring = secret === null ? null : createKeyring([secret]);
  const share = Math.floor(sessions.total / chains);
  const tokenOf = (n: number) =>
    keyring ? mintRefreshToken(keyring, { id: idOf(sessions, n), salt: saltOf(n) }, 0) : numberedToken(n);
  return Array.from({ length: chains }, (_, chain) => {
    let done = 0;
    return {
      next() {
        if (done === share) return null;
        done += 1;
        return request(`client_id=${client_id}&token=${tokenOf(chain * share + done - 1)}`);
      },
      take: requireOk,
    };
  });
}

function requireOk(status: number, body: string): undefined {
  if (status !== 200) throw new Error(`a revocation was answered ${status}: ${body}`);
}

export interface LoginRevocationLoad extends Omit<LoginLoad, 'kind'> {
  kind: 'login_revocation';
}

/** Chains that log in and revoke the session at once; only the revocations count. */
export function loginRevocationChains(load: LoginRevocationLoad): Chain[] {
  const { url, client_id } = load;
  const logIn = formRequests(url, '/token');
  const revoke = formRequests(url, '/revoke');
  return load.usernames.map((username) => {
    let token: string | null = null;
    return {
      next: () =>
        token === null ? logIn(loginForm(load, username)) : revoke(`client_id=${client_id}&token=${token}`),
      take(status, body) {
        if (token !== null) {
          token = null;
          return requireOk(status, body);
        }
        if (status !== 200) throw new Error(`a login was answered ${status}: ${body}`);
        token = String((JSON.parse(body) as { refresh_token: string }).refresh_token);
        return 'uncounted';
      },
    };
  });
}
