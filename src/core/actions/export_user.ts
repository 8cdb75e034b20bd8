// Everything that is stored about a user, as JSON lines. Read in pages, each a statement of its own without a transaction around them, so
// that a slow reader holds nothing; what changes meanwhile appears as it is when its page is read.
import type { Knex } from 'knex';
import { listEvents } from '../audit/audit_search.ts';
import type { RequestSource } from '../request_source.ts';
import type { Session } from '../sessions/sessions.ts';
import { listDevices } from '../users/device_list.ts';
import type { Device } from '../users/devices.ts';
import { findUser, type User } from '../users/users.ts';
import { recordEventOf } from './initiator.ts';

/** The most items of one kind that are read, and sent, at once. */
const pageSize = 500;

type Item = Record<string, unknown>;

/**
 * The pages of an export, each with its lines; the last line is `{"type":"end"}`, so that a file that was cut short is recognised. Ends
 * without it when the user is gone, or when `isAllowed` answers false before a page: the session that asked has ended.
 */
export async function* exportUser(
  db: Knex,
  user_id: string,
  isAllowed: () => Promise<boolean>,
): AsyncGenerator<string> {
  for (const pages of [profile, devices, liveSessions, endedSessions, consents, events]) {
    for await (const page of pages(db, user_id)) {
      if (!(await isAllowed())) return;
      if (page.length > 0) yield page.map((item) => `${JSON.stringify(item)}\n`).join('');
    }
  }
  yield '{"type":"end"}\n';
}

/** Records that a user begins an export. */
export async function recordExport(
  db: Knex,
  user_id: string,
  session_id: string | null,
  source: RequestSource,
): Promise<void> {
  const by = { actor: 'user', actor_id: user_id, source } as const;
  await db.transaction((tx) => recordEventOf(tx, by, { type: 'user_exported', user_id, session_id }));
}

async function* profile(db: Knex, user_id: string): AsyncGenerator<Item[]> {
  const user = await findUser(db, user_id);
  if (user) yield [describeUser(user)];
}

function describeUser(user: User): Item {
  const { id, username, email, email_verified_at, claims, roles, permissions, tenant_id } = user;
  const { last_login_at, created_at } = user;
  const names = { id, username, email, email_verified_at, claims };
  return { type: 'profile', ...names, roles, permissions, tenant_id, last_login_at, created_at };
}

async function* devices(db: Knex, user_id: string): AsyncGenerator<Item[]> {
  yield* pagesOf<Device>(
    (after) => listDevices(db, user_id, { limit: pageSize, after }),
    ({ id, device_id, name, platform, app_version, last_seen_at, created_at }) => ({
      type: 'device',
      ...{ id, device_id, name, platform, app_version, last_seen_at, created_at },
    }),
  );
}

const sessionColumns = [
  'id',
  'client_id',
  'device_id',
  'generation',
  'ip',
  'user_agent',
  'login_ip',
  'login_user_agent',
  'created_at',
  'last_used_at',
  'absolute_expires_at',
  'ended_at',
  'ended_reason',
  'ended_by',
] as const;

// The two kinds have an index each: of those that have not ended by user, of the others by user and end.
function liveSessions(db: Knex, user_id: string): AsyncGenerator<Item[]> {
  const read = (after: { id: string } | undefined) => {
    const query = db('sessions').where({ user_id }).whereNull('ended_at').orderBy('id').limit(pageSize);
    return (after ? query.where('id', '>', after.id) : query).select(...sessionColumns);
  };
  return pagesOf(read, (one) => ({ type: 'session', ...one }));
}

function endedSessions(db: Knex, user_id: string): AsyncGenerator<Item[]> {
  const read = (after: Pick<Session, 'id' | 'ended_at'> | undefined) => {
    const query = db('sessions')
      .where({ user_id })
      .whereNotNull('ended_at')
      .orderBy(['ended_at', 'id'])
      .limit(pageSize);
    const { ended_at = null, id = '' } = after ?? {};
    const behind = (one: Knex.QueryBuilder) =>
      one.where('ended_at', '>', ended_at).orWhere((same) => same.where({ ended_at }).where('id', '>', id));
    return (after ? query.where('ended_at', '>=', ended_at).where(behind) : query).select(...sessionColumns);
  };
  return pagesOf(read, (one) => ({ type: 'session', ...one }));
}

function consents(db: Knex, user_id: string): AsyncGenerator<Item[]> {
  const read = (after: { client_id: string } | undefined) => {
    const query = db('consents').where({ user_id }).orderBy('client_id').limit(pageSize);
    return (after ? query.where('client_id', '>', after.client_id) : query).select('*');
  };
  return pagesOf(read, ({ client_id, granted, created_at, updated_at }) => ({
    type: 'consent',
    ...{ client_id, granted, created_at, updated_at },
  }));
}

// What an administrator wrote about an action is for administrators, and so is who it was.
async function* events(db: Knex, user_id: string): AsyncGenerator<Item[]> {
  let before: string | undefined;
  do {
    const { events: found, next } = await listEvents(db, { user_id, limit: pageSize, before });
    yield found.map(({ type: event, actor, actor_id: _, user_id: __, reason, detail, ...rest }) => ({
      type: 'event',
      event,
      ...rest,
      actor,
      ...(actor === 'admin' ? {} : { reason, detail }),
    }));
    before = next ?? undefined;
  } while (before !== undefined);
}

async function* pagesOf<Row>(
  read: (after: Row | undefined) => PromiseLike<Row[]>,
  describe: (row: Row) => Item,
): AsyncGenerator<Item[]> {
  let page: Row[] = [];
  do {
    page = await read(page.at(-1));
    yield page.map(describe);
  } while (page.length === pageSize);
}
