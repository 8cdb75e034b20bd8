// Builders of users, clients and sessions. A test names only the members that matter to it.

import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { type Client, createClient } from '../../src/core/clients/clients.ts';
import { saveRecord } from '../../src/core/engine_records/save_record.ts';
import { hashPassword } from '../../src/core/passwords/password_hash.ts';
import { type NewSession, openSession } from '../../src/core/sessions/open_session.ts';
import type { Presented } from '../../src/core/sessions/rotation.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import type { Db } from '../../src/core/store/db.ts';
import { createUser, type NewUser } from '../../src/core/users/user_changes.ts';
import type { User } from '../../src/core/users/users.ts';
import { createKeyring } from '../../src/lib/crypto.ts';

/** The password of every user of {@link makeUser}; hashed once per process. */
export const password = 'correct horse battery staple';

/** Two valid secrets with different key ids, and the keyring of the first. */
export const secret = 'dGhlIGZpcnN0IHNlY3JldCBvZiB0aGVzZSB0ZXN0cyE';
export const otherSecret = 'YW5vdGhlciBzZWNyZXQsIG9mIGFub3RoZXIgcGxhY2U';
export const keyring = createKeyring([secret]);

export const source = { ip: '192.0.2.7', user_agent: 'tests/1.0', request_id: 'req-1' };

let made = 0;
let hash: Promise<string> | undefined;

/** A user who has a username. */
export type NamedUser = User & { username: string };

/** A user with {@link password} and a unique name. */
export async function makeUser(db: Db, given: Partial<NewUser> = {}): Promise<NamedUser> {
  made += 1;
  hash ??= hashPassword(password);
  const username = given.username ?? `user-${made}`;
  return { ...(await createUser(db, { password_hash: await hash, ...given, username })), username };
}

/** The claim `updated_at` of a user. */
export function updatedAtOf({ updated_at }: Pick<User, 'updated_at'>): number {
  return Math.floor(updated_at.getTime() / 1000);
}

/** A public first-party client, strict about reuse. */
export async function makeClient(db: Db, given: Partial<NewClient> = {}): Promise<Client> {
  const { client } = await createClient(db, {
    first_party: true,
    token_endpoint_auth_method: 'none',
    rotation_profile: 'strict',
    ...given,
  });
  return client;
}

/** The argument of `openSession` for `user` and `client`. */
export function newSession(user: Pick<User, 'id'>, client: Pick<Client, 'client_id'>): NewSession {
  return {
    user_id: user.id,
    client_id: client.client_id,
    device_id: null,
    grant_payload: { openid: { scope: 'openid' } },
    token_payload: { scope: 'openid', gty: 'password' },
    idle_ttl: 604_800,
    absolute_ttl: 2_592_000,
    source,
  };
}

/** A live session, of a new user and a new client unless they are given. */
export async function openTestSession(
  db: Db,
  given: Partial<NewSession> & { user?: User; client?: Client } = {},
  at?: Date,
): Promise<Session> {
  const { user, client, ...rest } = given;
  const base = newSession(user ?? (await makeUser(db)), client ?? (await makeClient(db)));
  const session = await openSession(db, { ...base, ...rest }, at);
  if (!session) throw new Error('the session was not opened');
  return session;
}

/** The refresh token of `generation`, presented by a strict client. */
export function present(
  session: Pick<Session, 'id'>,
  generation: number,
  given: Partial<Presented> = {},
): Presented {
  return {
    session_id: session.id,
    generation,
    retry_window: 0,
    observe: false,
    raise_token_version: true,
    version: null,
    proof: null,
    source,
    ...given,
  };
}

/** `seconds` after `at`. */
export function after(at: Date, seconds: number): Date {
  return new Date(at.getTime() + seconds * 1000);
}

/** Writes an engine record that lives for `ttl` seconds. */
export async function makeRecord(
  db: Db,
  model: string,
  id: string,
  payload: Record<string, unknown>,
  ttl: number,
): Promise<void> {
  await saveRecord(db, keyring, { model, id, payload, ttl });
}
