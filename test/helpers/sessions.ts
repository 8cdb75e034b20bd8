// What the tests of the session API share: a device, one session's story, how it ended.
import type { ExecutionContext } from 'ava';
import { granted, type Json } from './client.ts';
import { api, type SignedIn } from './oauth.ts';
import { rowOf } from './rows.ts';
import type { TestServer } from './server.ts';

/** What a login says of the device it comes from. */
export const phone = {
  device_id: 'phone',
  device_name: 'My phone',
  platform: 'ios',
  app_version: '1.0',
  push_token: 'push',
};

/** A session's story, told to `reader`, who is the same user. */
export async function readStory(server: TestServer, reader: SignedIn, { tokens }: SignedIn): Promise<Json> {
  return granted(await api(server, `GET /sessions/${tokens.session_id}`, reader.tokens.access_token));
}

/** Asserts why, by whom and that just now a session ended. */
export function assertEnded(t: ExecutionContext, story: Json, reason: string, by: string): void {
  t.deepEqual([story.ended_reason, story.ended_by], [reason, by]);
  const age = Date.now() - Date.parse(String(story.ended_at));
  t.true(age > -1_000 && age < 600_000, `${age} ms`);
}

/** Where to push to the user's only device. */
export async function pushTokenOf(server: TestServer, { user }: SignedIn): Promise<string | null> {
  return (await rowOf(server.db('devices').where({ user_id: user.id }).first())).push_token;
}
