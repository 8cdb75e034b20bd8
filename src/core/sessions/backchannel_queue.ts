// Notices of ended sessions to clients that want them (back-channel logout): queued with the end itself, so that none
// is lost, and delivered until the client has taken it or too much time has passed.
import { newId } from '../../lib/ids.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';

export interface BackchannelLogout {
  id: string;
  session_id: string;
  user_id: string;
  client_id: string;
  attempts: number;
}

interface LogoutNotice extends BackchannelLogout {
  next_attempt_at: Date;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    logout_notices: Table<LogoutNotice>;
  }
}

declareColumns('logout_notices', { next_attempt_at: 'time', created_at: 'time' });

/** Tries of one notice: the waits between them double from 5 seconds on, which comes to about half a day. */
const maxAttempts = 13;
const firstWait = 5;
/** Seconds for which a notice that some node is delivering is nobody else's. */
const claim = 60;

interface EndedSession {
  id: string;
  user_id: string;
  client_id: string;
}

/** Queues a notice for each ended session whose client has a `backchannel_logout_uri`. Part of the transaction that ends. */
export async function enqueueBackchannelLogouts(db: Db, ended: EndedSession[]): Promise<void> {
  if (ended.length === 0) return;
  const wanting = await db('clients')
    .whereIn('client_id', [...new Set(ended.map((session) => session.client_id))])
    .whereNull('deleted_at')
    .whereRaw("metadata->>'backchannel_logout_uri' is not null")
    .select('client_id');
  const clients = new Set(wanting.map((client) => client.client_id));
  const notices = ended.filter((session) => clients.has(session.client_id));
  if (notices.length === 0) return;
  const due = notices.map(({ id, user_id, client_id }) => ({
    id: newId(),
    session_id: id,
    user_id,
    client_id,
    attempts: 0,
    next_attempt_at: present(db),
    created_at: present(db),
  }));
  // A statement takes 500 rows on SQLite, and 65,535 values on Postgres.
  for (let from = 0; from < due.length; from += 100)
    await db('logout_notices').insert(due.slice(from, from + 100));
}

export interface ClaimLimit {
  /** The most of all clients together. */
  all: number;
  of_client: number;
  /** Clients that are being told already. */
  except: string[];
}

// From client to client by the index, and of each the notices that are due longest: however many wait for one, it is not
// looked at more of them than are taken.
const dueSql = (db: Db) => `
  with recursive waiting (client_id) as (
    select min(client_id) from logout_notices
    union all
    select (select min(client_id) from logout_notices where client_id > waiting.client_id)
    from waiting where waiting.client_id is not null
  )
  select n.id from waiting join logout_notices n on n.id in (
    select id from logout_notices where client_id = waiting.client_id and next_attempt_at <= :now
    order by next_attempt_at limit :of_client)
  where waiting.client_id not in (select value from ${isPostgres(db) ? 'json_array_elements_text(cast(:except as json)) as e (value)' : 'json_each(:except)'})
  order by n.next_attempt_at limit :all ${isPostgres(db) ? 'for update of n skip locked' : ''}`;

/** Takes due notices for delivery: they are this node's for a minute, and due again when it dies. */
export async function claimBackchannelLogouts(
  db: Db,
  { all, of_client, except }: ClaimLimit,
): Promise<BackchannelLogout[]> {
  return await rows<BackchannelLogout>(
    db,
    `update logout_notices set attempts = attempts + 1, next_attempt_at = ${plusSeconds(db, ':now', ':claim')}
     where id in (${dueSql(db)})
     returning id, session_id, user_id, client_id, attempts`,
    { now: present(db), claim, all, of_client, except: json(except) },
  );
}

/** Removes a notice that was taken. */
export async function settleBackchannelLogout(db: Db, id: string): Promise<void> {
  await db('logout_notices').where({ id }).delete();
}

/** Puts a notice that was not taken back for later; true when it was given up instead. */
export async function postponeBackchannelLogout(db: Db, notice: BackchannelLogout): Promise<boolean> {
  if (notice.attempts >= maxAttempts) {
    await settleBackchannelLogout(db, notice.id);
    return true;
  }
  const wait = firstWait * 2 ** (notice.attempts - 1);
  const next = db.raw(plusSeconds(db, '?', '?'), [present(db), wait]);
  await db('logout_notices').where({ id: notice.id }).update({ next_attempt_at: next });
  return false;
}
