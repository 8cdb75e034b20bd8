// A database that has been in use for a year: a million users, a million live sessions, two million events of the trail,
// analysed. Filled by SQL, which takes about a minute.
import { firstIdOf } from '../../src/lib/ids.ts';
import { select } from '../harness/stage.ts';
import type { RunningPeer } from '../peers/index.ts';
import { client_id, web } from '../peers/parties.ts';
import { fillSessions, userId } from './fill.ts';

const day = 86_400_000;

export interface Aged {
  users: number;
  sessions: number;
  events: number;
  /** The time of the first event and of the last one, milliseconds. */
  from: number;
  to: number;
}

/** Fills the database of a peer. `share` of the full size is for a quick run. */
export async function ageDatabase(peer: RunningPeer, share: number): Promise<Aged> {
  const total = Math.ceil(1_000_000 * share);
  const aged = {
    users: total,
    sessions: total,
    events: 2 * total,
    from: Date.now() - 365 * day,
    to: Date.now() - day,
  };
  await fillSessions(peer, aged.sessions, aged.users);
  await divideTrail(peer.databaseUrl, aged.from);
  const step = (aged.to - aged.from) / aged.events;
  await select(peer.databaseUrl, fillEvents, [aged.events, aged.from, step, total, client_id, web.client_id]);
  await select(peer.databaseUrl, 'vacuum analyze');
  await select(peer.databaseUrl, 'checkpoint');
  return aged;
}

/** The id of event `n`, in SQL; it begins with the time of the event. */
const eventId = `(lpad(to_hex(at), 12, '0') || '7' || substr(md5('event ' || n), 1, 3) || 'a' || substr(md5('event ' || n), 4, 15))::uuid`;

/** The id of the session of event `n`, which is that of the event before or after it too. */
export const eventSession = `('0190' || lpad(to_hex(n - n % 2), 8, '0') || '7' || substr(md5('session ' || (n - n % 2)), 1, 3) || 'b' || substr(md5('session ' || (n - n % 2)), 4, 15))::uuid`;

// Of a hundred events: 50 logins, 46 ends, 3 wrong passwords (which name no user) and one change of a user. One of fifty is of
// the third-party client.
const fillEvents = `
  insert into audit_events (id, created_at, type, user_id, session_id, client_id, actor, actor_id, reason, ip, user_agent, request_id, detail)
  select ${eventId}, to_timestamp(at / 1000.0),
    case when n % 100 < 50 then 'session_opened' when n % 100 < 96 then 'session_ended' when n % 100 < 99 then 'login_failed' else 'user_updated' end,
    case when n % 100 between 96 and 98 then null else ${userId('(n * 7919 % $4::bigint)')} end,
    case when n % 100 < 96 then ${eventSession} end,
    case when n % 50 = 7 then $6::text else $5::text end,
    'user', null, case when n % 100 between 50 and 95 then 'logout' end, '192.0.2.7',
    'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)', md5('request ' || n)::uuid::text,
    case when n % 100 < 50 then '{"grant_type": "password"}'::jsonb end
  from (select n, ($2::float8 + n * $3::float8)::bigint as at from generate_series(0, $1::bigint - 1) n) times`;

// A trail in partitions gets one for each month, as a server in use has made them. Before the first migration that makes
// partitions there is nothing to divide.
async function divideTrail(databaseUrl: string, from: number): Promise<void> {
  const [first] = await select<{ name: string; bound: string }>(
    databaseUrl,
    `select c.relname as name, substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''(.*)''\\)') as bound
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = to_regclass('audit_events') and pg_get_expr(c.relpartbound, c.oid) like '%MINVALUE%'`,
  );
  if (!first) return;
  const months = monthsSince(from);
  await select(databaseUrl, `alter table audit_events detach partition ${first.name}`);
  for (const [index, month] of months.slice(0, -1).entries()) {
    const [lower, upper] = [month, months[index + 1] ?? month].map((at) => `'${firstIdOf(at)}'`);
    const name = `audit_events_aged_${index}`;
    await select(
      databaseUrl,
      `create table ${name} partition of audit_events for values from (${index === 0 ? 'minvalue' : lower}) to (${upper})`,
    );
  }
  const last = `'${firstIdOf(months.at(-1) ?? new Date())}'`;
  await select(
    databaseUrl,
    `alter table audit_events attach partition ${first.name} for values from (${last}) to ('${first.bound}')`,
  );
}

/** The first moments of the months from that of `from` to the present one, in UTC. */
export function monthsSince(from: number, now = Date.now()): Date[] {
  const start = new Date(from);
  const count = (new Date(now).getUTCFullYear() - start.getUTCFullYear()) * 12 + new Date(now).getUTCMonth();
  return Array.from(
    { length: count - start.getUTCMonth() + 1 },
    (_, index) => new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + index)),
  );
}
