// Fills a database with live sessions as a login makes them. The generator can compute their ids and salts.
import type { FilledSessions } from '../generator/hop.ts';
import { select } from '../harness/stage.ts';
import type { RunningPeer } from '../peers/index.ts';
import { logIn } from '../peers/logins.ts';

const day = 86_400_000;

/**
 * Inserts `total` sessions of the last twenty days, five for each of the first users. They are copies of one that a login has
 * just opened.
 */
export async function fillSessions(
  peer: RunningPeer,
  total: number,
  users = Math.ceil(total / 5),
): Promise<FilledSessions> {
  const sessions = { total, start: Date.now() - 20 * day, step: Math.floor((20 * day) / total) };
  await logIn(peer, 'user-0');
  const { start, step } = sessions;
  await select(peer.databaseUrl, fillUsers, [users]);
  await select(peer.databaseUrl, fillSql, [total, start, step]);
  await select(peer.databaseUrl, 'vacuum analyze');
  await select(peer.databaseUrl, 'checkpoint');
  return sessions;
}

/** The id of filled user `n`, in SQL. */
export const userId = (n: string) =>
  `('0190' || lpad(to_hex(${n}), 8, '0') || '7' || substr(md5('user ' || ${n}), 1, 3) || 'a' || substr(md5('user ' || ${n}), 4, 15))::uuid`;

const fillUsers = `
  insert into users (id, username, username_key, email, email_key, password_hash, status, roles, permissions, token_version,
    last_login_at, created_at, updated_at)
  select ${userId('n')}, name, name, name || '@example.test', name || '@example.test', u.password_hash, u.status, u.roles,
    u.permissions, u.token_version, now(), now(), now()
  from users u, (select n, 'filled-' || n as name from generate_series(0, $1::int - 1) n) names
  where u.username = 'user-0'`;

const fillSql = `
  insert into sessions (id, user_id, client_id, grant_payload, token_payload, salt, generation, ip, user_agent, idle_ttl,
    created_at, last_used_at, absolute_expires_at, is_plain, session_epoch, login_ip, login_user_agent)
  select id, ${userId('(n / 5)')}, s.client_id, s.grant_payload,
    case when s.token_payload ? 'sid' then jsonb_set(s.token_payload, '{sid}', to_jsonb(id::text)) else s.token_payload end,
    decode(md5(n::text), 'hex'), 0, s.ip, 'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)', s.idle_ttl,
    to_timestamp(at / 1000.0), now(), now() + interval '10 days', s.is_plain, 0, s.ip,
    'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)'
  from (select client_id, grant_payload, token_payload, ip, idle_ttl, is_plain from sessions limit 1) s,
    (select n, at, (lpad(to_hex(at), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15))::uuid as id
     from (select n, $2::bigint + n * $3::bigint as at from generate_series(0, $1::bigint - 1) n) times) ids`;

/** The sizes of the tables on disk. */
export async function readStorage(databaseUrl: string): Promise<Storage> {
  const [row] = await select<Storage>(
    databaseUrl,
    `select (select count(*)::int from sessions) as sessions,
       pg_total_relation_size('sessions')::float8 as bytes,
       pg_relation_size('sessions')::float8 as heap_bytes,
       pg_total_relation_size('session_rotations')::float8 as ring_bytes,
       (select sum(pg_total_relation_size(relid))::float8 from pg_partition_tree('audit_events')) as audit_bytes,
       pg_database_size(current_database())::float8 as database_bytes,
       (select n_tup_hot_upd::float8 / nullif(n_tup_upd, 0) from pg_stat_user_tables where relname = 'sessions') as hot_share`,
  );
  if (!row) throw new Error('Postgres returned no sizes');
  return row;
}

export interface Storage {
  sessions: number;
  /** The table with its indexes. */
  bytes: number;
  heap_bytes: number;
  /** The rings of last rotations, with their index. */
  ring_bytes: number;
  audit_bytes: number;
  database_bytes: number;
  /** The share of heap-only updates among the updates of sessions; null when there was none. */
  hot_share: number | null;
}
