// Administrators with single rights, and proofs that have grown old.

import type { Admin } from './admin.ts';
import { makeClient, makeUser } from './builders.ts';
import { refresh, signIn, tokensOf } from './oauth.ts';
import { rowOf } from './rows.ts';
import type { TestServer } from './server.ts';

/** A user with these rights alone who has logged in with this scope. */
export async function enterWith(
  server: TestServer,
  given: { roles?: string[]; permissions?: string[]; tenant_id?: string | null; scope?: string },
): Promise<Admin> {
  const { scope = 'admin', ...rights } = given;
  const user = await makeUser(server.db, rights);
  const client = await makeClient(server.db, { scope: `openid account ${scope}` });
  const signedIn = await signIn(server, { user, client, form: { scope: `account ${scope}` } });
  return { ...signedIn, token: signedIn.tokens.access_token };
}

/** The same administrator as if the login had been so many seconds ago, with a new access token. */
export async function agedBy(server: TestServer, admin: Admin, seconds: number): Promise<Admin> {
  const { session_id, refresh_token } = admin.tokens;
  const { token_payload } = await rowOf(server.db('sessions').where({ id: session_id }).first());
  const authTime = Math.floor(Date.now() / 1000) - seconds;
  const aged = JSON.stringify({ ...token_payload, authTime });
  await server
    .db('sessions')
    .where({ id: session_id })
    .update({ token_payload: server.db.raw('?', [aged]) });
  const tokens = tokensOf(await refresh(server, admin.client, refresh_token));
  return { ...admin, tokens, token: tokens.access_token };
}
