// Changing the password over HTTP.
import { makeClient, password } from './builders.ts';
import type { Answer } from './client.ts';
import { api, signIn } from './oauth.ts';
import type { TestServer } from './server.ts';

/** A new password. */
export const fresh = 'hedgehogs prefer quiet evenings';

/** POST /api/me/password, from the password of all test users to the new one. */
export function change(server: TestServer, token: string, body: object = {}): Promise<Answer> {
  const json = { current_password: password, new_password: fresh, ...body };
  return api(server, 'POST /me/password', token, { json });
}

/** One user on three devices of one client. */
export async function signInThrice(server: TestServer) {
  const client = await makeClient(server.db, { rotation_profile: 'mobile' });
  // A push token is of one user: another login with it would take it away.
  const push = `push-${client.client_id}`;
  const one = await signIn(server, { client, form: { device_id: 'one', push_token: push } });
  const { user } = one;
  const two = await signIn(server, { user, client, form: { device_id: 'two', push_token: `${push}-two` } });
  const three = await signIn(server, { user, client });
  return { user, client, push, own: one.tokens, others: [two.tokens, three.tokens] };
}
