// `create-user`, `sessions` and `logout`: create a user, list a user's live sessions, end them.
import { z } from 'zod';
import { addUser } from '../core/actions/create_user.ts';
import { logOutUser } from '../core/actions/log_out.ts';
import { hashNewPassword } from '../core/passwords/password_policy.ts';
import { type LiveSession, listLiveSessions } from '../core/sessions/session_list.ts';
import type { Db } from '../core/store/db.ts';
import { email, username } from '../core/users/names.ts';
import { displayName, findUser, findUserByLogin, type User } from '../core/users/users.ts';
import { parseId } from '../lib/ids.ts';
import { byCommand, withDatabase } from './database.ts';
import { readPassword } from './input.ts';
import { type Answer, CommandError, formatTable } from './output.ts';

const word = z.string().regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 visible ASCII characters');
const newUser = z.object({
  username: z
    .string()
    .refine((value) => !value.includes('@'), { message: 'an e-mail address belongs in --email', abort: true })
    .pipe(username)
    .optional(),
  email: email.optional(),
  unverified: z.boolean().default(false),
  role: z.array(word).max(100).default([]),
  permission: z.array(word).max(100).default([]),
  tenantId: z.string().min(1).max(100).optional(),
  passwordStdin: z.boolean().default(false),
});

/** `create-user`: asks for the password after everything else is checked. */
export async function createUser(options: unknown): Promise<Answer> {
  const { passwordStdin, role, permission, tenantId, unverified, ...names } = newUser.parse(options);
  if (names.username === undefined && names.email === undefined)
    throw new CommandError('a user needs --username, --email or both');
  return await withDatabase(async (db) => {
    const password_hash = await hashNewPassword(await readPassword(passwordStdin), names);
    const user = await addUser(db, byCommand, {
      username: names.username ?? null,
      email: names.email ?? null,
      email_verified: !unverified,
      password_hash,
      roles: role,
      permissions: permission,
      tenant_id: tenantId ?? null,
    });
    return { data: describeUser(user), text: `created user ${displayName(user)}, id ${user.id}` };
  });
}

/** `sessions <user>` */
export async function listSessions(name: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    const user = await requireUser(db, name);
    const sessions = await listAllLive(db, user.id);
    return {
      data: { user: describeUser(user), sessions: sessions.map(describeSession) },
      text: sessions.length > 0 ? sessionTable(sessions) : `${displayName(user)} has no live sessions`,
    };
  });
}

/** `logout <user>` */
export async function logOut(name: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    const user = await requireUser(db, name);
    const ended = await logOutUser(db, user.id, byCommand);
    return {
      data: { user_id: user.id, sessions_ended: ended },
      text: `ended ${ended} ${ended === 1 ? 'session' : 'sessions'} of ${displayName(user)}`,
    };
  });
}

// A username may look like an id. The id is tried first, because no user can choose it.
/** The user of this id or name; refuses where there is none. */
export async function requireUser(db: Db, name: string): Promise<User> {
  const id = parseId(name);
  const user = (id && (await findUser(db, id))) || (await findUserByLogin(db, name));
  if (!user) throw new CommandError(`there is no user ${JSON.stringify(name)}`);
  return user;
}

async function listAllLive(db: Db, user_id: string): Promise<LiveSession[]> {
  const all: LiveSession[] = [];
  for (;;) {
    const page = await listLiveSessions(db, user_id, { limit: 200, after: all.at(-1) });
    all.push(...page);
    if (page.length < 200) return all;
  }
}

function describeUser(user: User): Record<string, unknown> {
  const { id, username, email, status, roles, permissions, tenant_id, created_at } = user;
  const email_verified = user.email_verified_at !== null;
  return { id, username, email, email_verified, status, roles, permissions, tenant_id, created_at };
}

// The members are those of `GET /api/sessions`.
function describeSession(one: LiveSession): Record<string, unknown> {
  return {
    id: one.id,
    client: { client_id: one.client_id, client_name: one.client_name },
    device: one.device_id && {
      id: one.device_id,
      device_id: one.device_device_id,
      name: one.device_name,
      platform: one.device_platform,
      app_version: one.device_app_version,
    },
    ip: one.ip,
    user_agent: one.user_agent,
    last_ip: one.last_ip,
    last_user_agent: one.last_user_agent,
    generation: one.generation,
    created_at: one.created_at,
    last_used_at: one.last_used_at,
    expires_at: one.expires_at,
  };
}

function sessionTable(sessions: LiveSession[]): string {
  const headings = [
    'SESSION',
    'DEVICE',
    'CLIENT',
    'ADDRESS',
    'LOGGED IN (UTC)',
    'LAST USED (UTC)',
    'ROTATIONS',
  ];
  return formatTable(
    headings,
    sessions.map((one) => [
      one.id,
      [one.device_name ?? one.device_device_id ?? '-', one.device_platform].filter(Boolean).join(', '),
      one.client_id,
      [...new Set([one.ip, one.last_ip])].map((ip) => ip ?? '-').join(', last '),
      minute(one.created_at),
      minute(one.last_used_at),
      String(one.generation),
    ]),
  );
}

function minute(moment: Date): string {
  return moment.toISOString().slice(0, 16).replace('T', ' ');
}
