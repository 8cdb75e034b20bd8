// Shared by the tests of the session API: a device, the history of a session, and its end.
import type { ExecutionContext } from 'ava';
import { granted, type Json } from './client.ts';
import { api, type SignedIn } from './oauth.ts';
import { rowOf } from './rows.ts';
import type { TestServer } from './server.ts';

/** The device parameters of a login. */
export const phone = {
  device_id: 'phone',
  device_name: 'My phone',
  platform: 'ios',
  app_version: '1.0',
  push_token: 'push',
};

/** The history of a session, read by `reader`, the same user. */
export async function readStory(server: TestServer, reader: SignedIn, { tokens }: SignedIn): Promise<Json> {
  return granted(await api(server, `GET /sessions/${tokens.session_id}`, reader.tokens.access_token));
}

/** Asserts the reason, the actor and the time of a session's end. */
export function assertEnded(t: ExecutionContext, story: Json, reason: string, by: string): void {
  t.deepEqual([story.ended_reason, story.ended_by], [reason, by]);
  const age = Date.now() - Date.parse(String(story.ended_at));
  t.true(age > -1_000 && age < 600_000, `${age} ms`);
}

/** The push token of the user's only device. */
export async function pushTokenOf(server: TestServer, { user }: SignedIn): Promise<string | null> {
  return (await rowOf(server.db('devices').where({ user_id: user.id }).first())).push_token;
}
