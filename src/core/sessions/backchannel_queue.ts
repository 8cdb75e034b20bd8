// The queue of back-channel logout notices. A notice is queued in the transaction that ends its session, so none is lost, and
// delivered again until the client accepts it or the attempts run out.
import { newId } from '../../lib/ids.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { isStandbyAway } from '../store/standby.ts';

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

/** Attempts to deliver one notice. The waits between them double, beginning with 5 seconds; together they last about half a day. */
const maxAttempts = 13;
const firstWait = 5;
/** Seconds for which a claimed notice belongs to the node that delivers it. */
const claim = 60;

/** SQL that is true when the client of a session wants a notice of its end; `session` is the alias of the table, with a dot. */
export function wantsNoticeSql(session: string): string {
  return `exists (select 1 from clients c where c.client_id = ${session}client_id and c.deleted_at is null
    and c.metadata->>'backchannel_logout_uri' is not null)`;
}

/** Queues a notice for each of these sessions, in the transaction that ends them. */
export async function enqueueBackchannelLogouts(
  db: Db,
  ended: { id: string; user_id: string; client_id: string }[],
): Promise<void> {
  const due = ended.map(({ id, user_id, client_id }) => ({
    id: newId(),
    session_id: id,
    user_id,
    client_id,
    attempts: 0,
    next_attempt_at: present(db),
    created_at: present(db),
  }));
  // One statement can insert 500 rows on SQLite and bind 65,535 values on Postgres.
  for (let from = 0; from < due.length; from += 100)
    await db('logout_notices').insert(due.slice(from, from + 100));
}

export interface ClaimLimit {
  /** The most notices for all clients together. */
  all: number;
  /** The most notices for one client. */
  of_client: number;
  /** Clients to which this node is already delivering. */
  except: string[];
}

// Goes from client to client by the index and takes the notices of each that have been due longest. However many notices wait
// for a client, the statement reads no more of them than it takes.
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

/** Claims due notices for one minute. When this node dies, they are due again after that. */
export async function claimBackchannelLogouts(
  db: Db,
  { all, of_client, except }: ClaimLimit,
): Promise<BackchannelLogout[]> {
  // Asked for every second; the claim would be refused.
  if (isStandbyAway(db)) return [];
  return await rows<BackchannelLogout>(
    db,
    `update logout_notices set attempts = attempts + 1, next_attempt_at = ${plusSeconds(db, ':now', ':claim')}
     where id in (${dueSql(db)})
     returning id, session_id, user_id, client_id, attempts`,
    { now: present(db), claim, all, of_client, except: json(except) },
  );
}

/** Removes a notice that was delivered or given up. */
export async function settleBackchannelLogout(db: Db, id: string): Promise<void> {
  await db('logout_notices').where({ id }).delete();
}

/** Postpones a notice that could not be delivered; true when it had no attempts left and was removed instead. */
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
