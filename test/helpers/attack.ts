// Attacks on a live session, which must not change it.
import type { ExecutionContext } from 'ava';
import { api, isActive, refresh, type SignedIn, signIn, tokensOf } from './oauth.ts';
import type { TestServer } from './server.ts';

/** Runs an attack against a live session and asserts that the session is unchanged. */
export async function attack(
  t: ExecutionContext,
  server: TestServer,
  body: (signedIn: SignedIn) => Promise<void>,
): Promise<void> {
  const signedIn = await signIn(server);
  await body(signedIn);
  const { client, tokens } = signedIn;
  t.is(await isActive(server, tokens.access_token), true, 'the access token is active');
  t.is((await api(server, 'GET /me', tokens.access_token)).status, 200);
  t.is(tokensOf(await refresh(server, client, tokens.refresh_token)).session_id, tokens.session_id);
}
