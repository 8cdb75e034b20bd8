// How the databases carry out what lists, searches and endings ask: by an index, never by reading a whole table. With
// SOAK the tables have a million rows.
import { DatabaseSync } from 'node:sqlite';
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import pg from 'pg';
import { addConsent, withdrawConsent } from '../../src/core/actions/consents.ts';
import { deleteClient } from '../../src/core/actions/delete_client.ts';
import { findKnown } from '../../src/core/actions/imported_before.ts';
import type { ImportedUser } from '../../src/core/actions/imported_user.ts';
import { listInvitations } from '../../src/core/actions/invitations.ts';
import { removeDevice } from '../../src/core/actions/remove_device.ts';
import { takeAddress } from '../../src/core/actions/take_address.ts';
import { trustListed } from '../../src/core/actions/trust_addresses.ts';
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import { listEvents } from '../../src/core/audit/audit_search.ts';
import { makePartitions } from '../../src/core/audit/partitions.ts';
import { clearGuesses, guessCode } from '../../src/core/one_time_codes/guesses.ts';
import { issueCode, type OneTimeCode } from '../../src/core/one_time_codes/one_time_codes.ts';
import { findPendingAddress } from '../../src/core/one_time_codes/pending_address.ts';
import {
  findProvedSpelling,
  isAddressReserved,
  listFormerAddresses,
  listReservedKeys,
} from '../../src/core/one_time_codes/reserved_addresses.ts';
import { findLink, spendCode } from '../../src/core/one_time_codes/spend.ts';
import { sweep } from '../../src/core/operations/sweep.ts';
import { type ClaimLimit, claimMessages, dropExpired } from '../../src/core/outbox/claims.ts';
import { findOldestMessage, listMessages } from '../../src/core/outbox/messages.ts';
import { endBrowserSession, listBrowserSessions } from '../../src/core/sessions/browser_sessions.ts';
import { endAllSessions } from '../../src/core/sessions/end_many.ts';
import { endSession } from '../../src/core/sessions/end_sessions.ts';
import { openSession } from '../../src/core/sessions/open_session.ts';
import { finishPendingEndings } from '../../src/core/sessions/pending_endings.ts';
import { listEndedSessions, listLiveSessions } from '../../src/core/sessions/session_list.ts';
import { listLoginUserAgents } from '../../src/core/sessions/session_places.ts';
import { deleteOrphanedRotations, listRotations } from '../../src/core/sessions/session_rotations.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { replaceInTransaction } from '../../src/core/sessions/silent_renewal.ts';
import { json } from '../../src/core/store/columns.ts';
import { countNew } from '../../src/core/store/database_facts.ts';
import { listConsents } from '../../src/core/users/consents.ts';
import { listDevices } from '../../src/core/users/device_list.ts';
import { registerDevice } from '../../src/core/users/devices.ts';
import { createUser, updateUser } from '../../src/core/users/user_changes.ts';
import { listUsers, type UserSearch } from '../../src/core/users/user_search.ts';
import { isUsernameTaken } from '../../src/core/users/users.ts';
import { newId } from '../../src/lib/ids.ts';
import { keyring, makeClient, makeUser, newSession, openTestSession, source } from '../helpers/builders.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';

const many = process.env.SOAK ? 1_000_000 : 20_000;
const byUser = { actor: 'user' } as const;
const large = [
  'sessions',
  'session_rotations',
  'audit_events',
  'devices',
  'consents',
  'oidc_models',
  'one_time_codes',
  'outbox',
  'users',
];

/** Fills the tables with the rows of other users and clients, most of them ended sessions. */
async function fill(db: Knex, store: Store): Promise<void> {
  const isPostgres = store.name === 'postgres';
  const uuid = isPostgres
    ? "cast('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') as uuid)"
    : "'01900000-0000-7000-8000-' || printf('%012x', n)";
  const at = isPostgres ? "timestamptz '2026-01-01' + n * interval '1 second'" : '1767225600000 + n * 1000';
  const salt = isPostgres ? "decode('00', 'hex')" : "x'00'";
  const count = 'with recursive c(n) as (select 1 union all select n + 1 from c where n < :many)';
  const insert = async (into: string, values: string) =>
    await db.raw(`insert into ${into} ${count} select ${values} from c`, { many });
  await insert(
    'users (id, username, username_key, email, email_key, status, roles, permissions, created_at, updated_at)',
    `${uuid}, 'u' || n, 'u' || n, 'u' || n || '@a.b', 'u' || n || '@a.b', 'active', '[]', '[]', ${at}, ${at}`,
  );
  await insert(
    'clients (client_id, metadata, secrets, first_party, rotation_profile, created_at, updated_at)',
    `'c' || n, '{}', '[]', ${isPostgres ? 'false' : '0'}, 'strict', ${at}, ${at}`,
  );
  await insert(
    'devices (id, user_id, device_id, last_seen_at, created_at)',
    `${uuid}, ${uuid}, 'd', ${at}, ${at}`,
  );
  await insert(
    'consents (user_id, client_id, granted, created_at, updated_at)',
    `${uuid}, 'c' || n, '{}', ${at}, ${at}`,
  );
  await insert(
    'sessions (id, user_id, client_id, device_id, grant_payload, token_payload, salt, idle_ttl, created_at, last_used_at, absolute_expires_at, ended_at, ended_reason, session_epoch)',
    `${uuid}, ${uuid}, 'c' || n, ${uuid}, '{}', '{}', ${salt}, 60, ${at}, ${at}, ${at}, case when n % 3 > 0 then ${at} end, case when n % 3 > 0 then 'logout' end, 0`,
  );
  await insert(
    'session_rotations (session_id, slot, generation, rotated_at)',
    `${uuid}, n % 8, n % 8, ${at}`,
  );
  await insert(
    'outbox (id, kind, receiver, subject, session_id, user_id, client_id, next_attempt_at, created_at)',
    `${uuid}, 'logout_token', 'c' || n, 'logout', ${uuid}, ${uuid}, 'c' || n, ${at}, ${at}`,
  );
  await insert(
    'one_time_codes (id, purpose, user_id, address, address_key, request_digest, link_digest, code_version, tries, code_expires_at, expires_at, used_at, created_at)',
    `${uuid}, case n % 9 when 0 then 'undo_email' when 1 then 'invite' else 'recover' end, ${uuid}, 'u' || n || '@a.b', 'u' || n || '@a.b', 'r' || n, 'l' || n, 0, 0, ${at}, ${at}, case when n % 3 > 0 then ${at} end, ${at}`,
  );
  await insert(
    'oidc_models (model, id, payload, second_id, user_id, expires_at, created_at, session_epoch)',
    `'Session', 'm' || n, '{}', 's' || n, ${uuid}, ${at}, ${at}, 0`,
  );
  // A few months of the trail, each with a partition of its own on Postgres.
  if (isPostgres) await makePartitions(db, firstMonth);
  await insert(
    'audit_events (id, created_at, type, user_id, session_id, client_id)',
    `${isPostgres ? eventIdOnPostgres : eventIdOnSqlite}, ${eventAt(isPostgres)}, case when n % 2 = 0 then 'session_opened' else 'session_ended' end, ${uuid}, ${uuid}, 'c' || n`,
  );
  await db.raw('analyze');
}

const firstMonth = new Date('2030-01-01T00:00:00Z');

// Spreads the events over 80 days.
const step = Math.floor((80 * 86_400_000) / many);
const eventAt = (isPostgres: boolean) =>
  isPostgres
    ? `timestamptz '2030-01-01T00:00:00Z' + n * interval '${step} milliseconds'`
    : `${firstMonth.getTime()} + n * ${step}`;
const eventIdOnPostgres = `cast(lpad(to_hex(${firstMonth.getTime()} + cast(n as bigint) * ${step}), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0') as uuid)`;
const hexOnSqlite = `printf('%012x', ${firstMonth.getTime()} + n * ${step})`;
const eventIdOnSqlite = `substr(${hexOnSqlite}, 1, 8) || '-' || substr(${hexOnSqlite}, 9) || '-7000-8000-' || printf('%012x', n)`;

/** The id of filled session `n`. */
function idOf(n: number): string {
  return `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

interface Query {
  sql: string;
  bindings?: Knex.RawBinding[];
}

/** The statements of some work that read or change rows, each as it was sent. */
async function watch(db: Knex, work: () => Promise<unknown>): Promise<Query[]> {
  const seen: Query[] = [];
  const note = (query: Query) => void seen.push(query);
  db.on('query', note);
  try {
    await work();
  } finally {
    db.removeListener('query', note);
  }
  // `1 = ?` is how Knex writes an empty list: no row is read.
  return seen.filter(
    ({ sql }) => /^\s*(select|update|delete|with)\b/i.test(sql) && !/where 1 = \?/.test(sql),
  );
}

/** The large tables that a statement would read from end to end. */
async function scannedBy(store: Store, client: pg.Client | null, query: Query): Promise<string[]> {
  const { sql, bindings } = query;
  if (!client) {
    const file = new DatabaseSync(store.url.slice('sqlite:'.length), { readOnly: true });
    const plan = file.prepare(`explain query plan ${sql}`).all();
    file.close();
    // To go through all of an index is no better, but for the one that has administrators alone.
    const isScan = /^SCAN (\w+)(?! USING (?:COVERING )?INDEX users_admins)/;
    return plan.flatMap(({ detail }) => isScan.exec(String(detail))?.[1] ?? []);
  }
  // A prepared statement is reported without its values.
  const options = bindings ? '(format json)' : '(format json, generic_plan)';
  const { rows } = await client.query(`explain ${options} ${sql}`, (bindings ?? []) as unknown[]);
  return [...JSON.stringify(rows).matchAll(/"Node Type":"Seq Scan"[^{}[\]]*?"Relation Name":"(\w+)"/g)].map(
    ([, name]) => name ?? '',
  );
}

/** The table of a partition that holds events; Postgres reads an empty one as it likes. */
function tableOf(name: string): string {
  return /^audit_events_\d/.test(name) ? 'audit_events' : name;
}

async function connect(t: ExecutionContext, store: Store): Promise<pg.Client | null> {
  if (store.name === 'sqlite') return null;
  const client = new pg.Client({ connectionString: store.url });
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

/** What is asked of one session among many, and what of its user, device, browser and client; endings last. */
function works(db: Knex, session: Session): Record<string, () => Promise<unknown>> {
  const { user_id, client_id } = session;
  const browser = { ...byUser, reason: 'logout' } as const;
  const now = new Date();
  const search = (given: object) => async () => await listEvents(db, { limit: 50, ...given });
  const users = (given: Partial<UserSearch>) => async () => await listUsers(db, { limit: 50, ...given });
  return {
    'live sessions': () => listLiveSessions(db, user_id),
    'ended sessions': () => listEndedSessions(db, user_id, 10),
    'the next page of devices': () =>
      listDevices(db, user_id, { limit: 50, after: { last_seen_at: now, id: session.id } }),
    consents: () => listConsents(db, user_id),
    browsers: () => listBrowserSessions(db, user_id),
    'events of a client': search({ client_id }),
    'events of a user': search({ user_id }),
    'events of a session': search({ session_id: session.id }),
    'events of a type': search({ type: 'session_ended' }),
    'events of a time': search({
      from: new Date('2030-02-10T00:00:00Z'),
      to: new Date('2030-02-10T01:00:00Z'),
    }),
    'events of a client and a type': search({ client_id: 'c7', type: 'session_opened' }),
    'events of a type that has none': search({ type: 'none', from: firstMonth }),
    'the last rotations of a session': () => listRotations(db, session.id),
    'rotations whose session is gone': () => deleteOrphanedRotations(db, idOf(1_000), idOf(1_500)),
    'the user agents of logins': () => listLoginUserAgents(db, [session.id]),
    'the events of a day': () => countNew(db, 'audit_events', new Date('2030-03-20T00:00:00Z')),
    'the first users': users({}),
    'the next users': users({ after: { by: 'id', after: user_id } }),
    'active users': users({ status: 'active' }),
    'banned users': users({ status: 'banned' }),
    'the next banned users': users({ status: 'banned', after: { by: 'id', after: user_id } }),
    'users of a name': users({ prefix: 'u19' }),
    'the next users of a name': users({ prefix: 'u', after: { by: 'username', after: 'u500' } }),
    'the next users of an address': users({ prefix: 'u', after: { by: 'email', after: 'u500' } }),
    'active users of a name': users({ prefix: 'u', status: 'active' }),
    'banned users of a name': users({ prefix: 'u', status: 'banned' }),
    'users of no name': users({ prefix: 'nobody' }),
    'the end of one session': () => endSession(db, session.id, { ...byUser, reason: 'logout' }),
    'a withdrawn consent': () => withdrawConsent(db, user_id, client_id, byUser),
    'the session that a renewal replaces': () =>
      replaceInTransaction(db, {
        session: { id: idOf(1), user_id, client_id, browser_session: 'b' },
        ...{ auth_time: 1, access_token_ttl: 900, source },
      }),
    'the end of a browser': () => endBrowserSession(db, user_id, 'b', browser),
    'the removal of a device': () => removeDevice(db, user_id, session.device_id ?? '', byUser),
    'a logout everywhere': () => endAllSessions(db, user_id, { ...byUser, reason: 'logout_all' }),
    'what a crash left': () => finishPendingEndings(db),
    'the deletion of a user': () => changeUserStatus(db, user_id, { status: 'deleted', actor: 'admin' }),
    'the removal of a client': () => deleteClient(db, client_id, { actor: 'admin' }),
  };
}

/** What is asked of codes, links and messages. */
function worksOfPeople(db: Knex, { user_id, client_id }: Session): Record<string, () => Promise<unknown>> {
  const address = 'u7@a.b';
  const request = 'r7';
  const user = { id: user_id, code_version: 0 };
  const inTransaction = (work: (tx: Knex.Transaction) => Promise<unknown>) => () => db.transaction(work);
  const capped = { ...newSession(user, { client_id }), max_sessions: 1 };
  const claim: ClaimLimit = { kind: 'logout_token', all: 10, of_receiver: 2, except: [] };
  const code = { id: idOf(7), purpose: 'sign_up', address_key: address } as OneTimeCode;
  return {
    'a link': () => findLink(db, 'recover', 'token'),
    'a guess': () => guessCode(db, keyring, { purpose: 'recover', request, code: '123456' }),
    'a further code': inTransaction((tx) =>
      issueCode(tx, keyring, { purpose: 'recover', user, request, address }),
    ),
    'a spent code of a user': inTransaction((tx) => spendCode(tx, { ...code, user_id })),
    'a spent code of an address': inTransaction((tx) => spendCode(tx, { ...code, user_id: null })),
    'the wrong codes of a user': inTransaction((tx) => clearGuesses(tx, user_id)),
    'a waiting address': () => findPendingAddress(db, user),
    'former addresses': () => listFormerAddresses(db, user_id),
    'a reserved address': () => isAddressReserved(db, address, user_id),
    'reserved addresses': () => listReservedKeys(db, [address, 'u9@a.b']),
    'a proved spelling': () => findProvedSpelling(db, address, user_id),
    'a taken address': inTransaction((tx) => takeAddress(tx, { address, user_id })),
    'open invitations': () => listInvitations({ db, keyring }, { limit: 0, after: idOf(1) }),
    'due messages': () => claimMessages(db, claim),
    'expired messages': () => dropExpired(db),
    'a page of messages': () => listMessages(db, { state: 'dead', limit: 50 }),
    'the oldest dead message': () => findOldestMessage(db, 'dead'),
    'a user with an address of several spellings': () => createUser(db, { email: 'x@bücher.example' }),
    'another address of several spellings': () => updateUser(db, user_id, { email: 'y@bücher.example' }),
    'a list of addresses that are vouched for': () =>
      trustListed(db, { actor: 'admin' }, [{ line: 1, address: 'u9@a.b' }]),
    'users who were imported before': () =>
      findKnown([db], [{ line: 1, username_key: 'u9', email_key: 'u9@a.b' } as ImportedUser]),
    'a free username': () => isUsernameTaken(db, 'nobody'),
    'a login under a cap': () => openSession(db, capped),
  };
}

testOnStores('no list, search or ending reads a whole table', async (t, store) => {
  t.timeout(1_800_000);
  const { db } = store;
  await fill(db, store);
  const client = await connect(t, store);
  const user = await makeUser(db);
  const device = await registerDevice(db, user.id, { device_id: 'phone', push_token: 'push' });
  const app = await makeClient(db, { first_party: false, redirect_uris: ['https://app.example/cb'] });
  const session = await openTestSession(db, { user, client: app, device_id: device?.id ?? null });
  await addConsent(db, user.id, app.client_id, { openid: ['openid'], claims: [], resources: {} });
  await db('oidc_models').insert({
    ...{ model: 'Session', id: 'b', second_id: 'b', payload: json({}), user_id: user.id },
    ...{ created_at: session.created_at, expires_at: session.absolute_expires_at, session_epoch: 0 },
  });
  const scans: string[] = [];
  let looked = 0;
  for (const [title, work] of Object.entries({ ...worksOfPeople(db, session), ...works(db, session) })) {
    for (const query of await watch(db, work)) {
      looked += 1;
      const found = (await scannedBy(store, client, query)).filter((table) => large.includes(tableOf(table)));
      scans.push(...found.map((table) => `${title} reads all of ${table}: ${query.sql}`));
    }
  }
  t.true(looked > 30, String(looked));
  t.deepEqual(scans, []);
});

testOnStores(
  'a search by time, a count of a day and the sweep read the partitions of their time alone',
  async (t, store) => {
    const { db } = store;
    await makePartitions(db, firstMonth);
    const client = await connect(t, store);
    const february = { from: new Date('2030-02-10T00:00:00Z'), to: new Date('2030-02-11T00:00:00Z') };
    const readBy = async (work: () => Promise<unknown>) => {
      const names = new Set<string>();
      for (const { sql, bindings } of await watch(db, work)) {
        const found = await client?.query(`explain (format json) ${sql}`, (bindings ?? []) as unknown[]);
        for (const [name] of JSON.stringify(found?.rows).matchAll(
          /audit_events_(?:first|default|\d{4}_\d\d)(?=")/g,
        ))
          names.add(name);
      }
      return [...names].toSorted();
    };
    t.deepEqual(await readBy(() => listEvents(db, { limit: 50, ...february })), ['audit_events_2030_02']);
    for (const filter of [
      { type: 'none' },
      { user_id: newId() },
      { session_id: newId() },
      { client_id: 'none' },
    ])
      t.deepEqual(
        await readBy(() => listEvents(db, { limit: 50, ...february, ...filter })),
        ['audit_events_2030_02'],
        JSON.stringify(filter),
      );
    const march = await readBy(() => countNew(db, 'audit_events', new Date('2030-03-20T00:00:00Z')));
    t.deepEqual(march, ['audit_events_2030_03', 'audit_events_default']);
    const dryRun = { auditRetention: 86_400, tables: ['audit_events'] as const, dryRun: true };
    const old = await readBy(() => sweep(db, dryRun, new Date('2030-01-20T00:00:00Z')));
    t.deepEqual(old, ['audit_events_2030_01', 'audit_events_default', 'audit_events_first']);
  },
  ['postgres'],
);
