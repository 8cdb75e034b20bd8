// Users with very many sessions, inserted by the database itself for speed.
import type { Knex } from 'knex';
import { isPostgres } from '../../src/core/store/db.ts';

const copied = [
  'user_id',
  'client_id',
  'device_id',
  'grant_payload',
  'token_payload',
  'salt',
  'generation',
  'ip',
  'user_agent',
  'idle_ttl',
  'created_at',
  'last_used_at',
  'absolute_expires_at',
  'browser_session',
  'is_plain',
  'session_epoch',
];

const newUuid = (db: Knex) =>
  isPostgres(db)
    ? 'gen_random_uuid()'
    : `lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-7' || substr(hex(randomblob(2)), 2) || '-a'
        || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))`;

/** Copies a session until there are `count` of it. */
export async function multiplySession(db: Knex, id: string, count: number): Promise<void> {
  await db.raw(
    `insert into sessions (id, ${copied.join(', ')})
     with recursive copies(n) as (select 1 union all select n + 1 from copies where n < :more)
     select ${newUuid(db)}, ${copied.map((one) => `s.${one}`).join(', ')} from copies, sessions s where s.id = :id`,
    { id, more: count - 1 },
  );
}

/** Copies a browser session until there are `count` of it. */
export async function multiplyBrowser(db: Knex, second_id: string, count: number): Promise<void> {
  const columns = ['model', 'payload', 'user_id', 'expires_at', 'created_at', 'session_epoch'];
  await db.raw(
    `insert into oidc_models (id, second_id, ${columns.join(', ')})
     with recursive copies(n) as (select 1 union all select n + 1 from copies where n < :more)
     select 'copy-' || n, 'copy-' || n, ${columns.map((one) => `m.${one}`).join(', ')} from copies, oidc_models m where m.second_id = :second_id`,
    { second_id, more: count - 1 },
  );
}
