// On Postgres the audit trail becomes a table that is partitioned by ranges of its ids (UUIDv7, which sort by time), so that
// events past their retention can go with their partition. It is done beside a server that writes, so outside a
// transaction: each step can be repeated, and a run that was broken off is repeated from the beginning. SQLite keeps its table.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

export const config = { transaction: false };

const indexes = {
  audit_events_session: '(session_id, id) where session_id is not null',
  audit_events_user: '(user_id, id) where user_id is not null',
  audit_events_type: '(type, id)',
  audit_events_client: '(client_id, id) where client_id is not null',
};

// The condition that Postgres would otherwise check under the lock, by reading the whole table.
const bounded = 'audit_events_before_partitions';

export async function up(knex: Knex): Promise<void> {
  if (knex.client.config.client !== 'pg' || (await isPartitioned(knex))) return;
  await requireOwner(knex);
  const bound = await findBound(knex);
  await underLock(knex, (tx) => limitIds(tx, bound));
  await knex.raw(`alter table audit_events validate constraint ${bounded}`);
  await underLock(knex, (tx) => partition(tx, bound));
}

async function isPartitioned(knex: Knex): Promise<boolean> {
  const { rows } = await knex.raw(
    "select 1 from pg_class where oid = to_regclass('audit_events') and relkind = 'p'",
  );
  return rows.length > 0;
}

async function requireOwner(knex: Knex): Promise<void> {
  const { rows } = await knex.raw(
    `select pg_get_userbyid(relowner) as owner, current_user as role, pg_has_role(relowner, 'usage') as is_owner
     from pg_class where oid = to_regclass('audit_events')`,
  );
  const [{ owner, role, is_owner }] = rows;
  if (!is_owner)
    throw new Error(
      `the role ${role} does not own the table audit_events: run "kindred migrate" once with a DATABASE_URL of the role ${owner} or of a superuser`,
    );
}

// The table that exists takes the ids up to the end of the next month: its condition refuses later ones from the first step
// on, and a run may be broken off and repeated only weeks later.
async function findBound(knex: Knex): Promise<string> {
  const { rows } = await knex.raw('select extract(epoch from now())::float8 * 1000 as now');
  const now = new Date(rows[0].now);
  const hex = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 2)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

// A statement that waits for the lock holds back all that come after it. So it waits two seconds at most, then lets them pass.
async function underLock(knex: Knex, work: (tx: Knex.Transaction) => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await knex.transaction(async (tx) => {
        await tx.raw("set local lock_timeout = '2s'");
        await tx.raw('lock table audit_events in access exclusive mode');
        await work(tx);
      });
      return;
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!['55P03', '40P01'].includes(code)) throw error;
    }
    await sleep(1_000);
  }
}

// Events from clocks that are more than a month ahead wait in the default partition, which is attached in the last step.
async function limitIds(tx: Knex.Transaction, bound: string): Promise<void> {
  await tx.raw('create table if not exists audit_events_default (like audit_events including defaults)');
  await tx.raw("set local kindred.sweep = 'on'");
  await tx.raw(
    `with moved as (delete from audit_events where id >= ? returning *)
     insert into audit_events_default select * from moved`,
    [bound],
  );
  await tx.raw(`alter table audit_events drop constraint if exists ${bounded}`);
  await tx.raw(`alter table audit_events add constraint ${bounded} check (id < '${bound}') not valid`);
}

async function partition(tx: Knex.Transaction, bound: string): Promise<void> {
  const first = 'audit_events_first';
  await tx.raw('drop trigger audit_events_append_only on audit_events');
  await tx.raw('drop trigger audit_events_no_truncate on audit_events');
  await tx.raw(`alter table audit_events rename to ${first}`);
  await tx.raw(`alter table ${first} rename constraint audit_events_pkey to ${first}_pkey`);
  for (const name of Object.keys(indexes))
    await tx.raw(`alter index ${name} rename to ${name.replace('audit_events', first)}`);
  await tx.raw(`create table audit_events (like ${first} including defaults) partition by range (id)`);
  await tx.raw('alter table audit_events add constraint audit_events_pkey primary key (id)');
  await makeIndexes(tx);
  await makeAppendOnly(tx, ['audit_events', first, 'audit_events_default']);
  await tx.raw(
    `alter table audit_events attach partition ${first} for values from (minvalue) to ('${bound}')`,
  );
  await tx.raw('alter table audit_events attach partition audit_events_default default');
  await tx.raw(`alter table ${first} drop constraint ${bounded}`);
  await copyRights(tx, first);
}

async function makeIndexes(tx: Knex.Transaction): Promise<void> {
  for (const [name, on] of Object.entries(indexes))
    await tx.raw(`create index ${name} on audit_events ${on}`);
}

// A trigger for each row is inherited by partitions, one for each statement is not: TRUNCATE may name a partition.
async function makeAppendOnly(tx: Knex.Transaction, [table, ...partitions]: string[]): Promise<void> {
  await tx.raw(`create trigger audit_events_append_only before update or delete on ${table}
    for each row execute function audit_events_refuse()`);
  for (const one of [table, ...partitions])
    await tx.raw(`create trigger audit_events_no_truncate before truncate on ${one}
      for each statement execute function audit_events_refuse()`);
}

// The new tables belong to the owner of the old one, and everybody may do with them what he might before.
async function copyRights(tx: Knex.Transaction, first: string): Promise<void> {
  await tx.raw(`do $$
    declare
      old pg_class := (select c from pg_class c where oid = '${first}'::regclass);
      one record;
    begin
      if old.relacl is not null then
        for one in select distinct grantee from pg_class c, aclexplode(c.relacl) where c.oid = 'audit_events'::regclass loop
          execute format('revoke all on audit_events from %s',
            case when one.grantee = 0 then 'public' else one.grantee::regrole::text end);
        end loop;
        for one in select * from aclexplode(old.relacl) loop
          execute format('grant %s on audit_events to %s %s', one.privilege_type,
            case when one.grantee = 0 then 'public' else one.grantee::regrole::text end,
            case when one.is_grantable then 'with grant option' else '' end);
        end loop;
      end if;
      if pg_get_userbyid(old.relowner) <> current_user then
        execute format('alter table audit_events owner to %s', old.relowner::regrole);
        execute format('alter table audit_events_default owner to %s', old.relowner::regrole);
      end if;
    end $$`);
}

// Copies every event into a table without partitions, in one transaction: nobody writes or reads the trail meanwhile.
export async function down(knex: Knex): Promise<void> {
  if (knex.client.config.client !== 'pg' || !(await isPartitioned(knex))) return;
  await underLock(knex, async (tx) => {
    await tx.raw('create table audit_events_plain (like audit_events including defaults)');
    await tx.raw('insert into audit_events_plain select * from audit_events');
    await tx.raw('drop table audit_events');
    await tx.raw('alter table audit_events_plain rename to audit_events');
    await tx.raw('alter table audit_events add constraint audit_events_pkey primary key (id)');
    await makeIndexes(tx);
    await makeAppendOnly(tx, ['audit_events']);
  });
}
