// Whether this node can do its work now: its database answers, has the schema that it needs, and a key to sign with.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { isMigrated } from './migrate.ts';

export interface Readiness {
  database: boolean;
  migrations: boolean;
  signing_key: boolean;
}

const notReady: Readiness = { database: false, migrations: false, signing_key: false };

/** Looks, for `patience` milliseconds at most: a database that takes longer is no help to anybody who waits. */
export async function checkReadiness(db: Knex, patience = 1_000): Promise<Readiness> {
  const found: Readiness = { ...notReady };
  const looked = look(db, found).then(
    () => true,
    () => false,
  );
  const isDone = await Promise.race([looked, sleep(patience, false, { ref: false })]);
  return isDone ? { ...found } : { ...notReady };
}

async function look(db: Knex, found: Readiness): Promise<void> {
  await db.raw('select 1');
  found.database = true;
  found.migrations = await isMigrated(db);
  if (!found.migrations) return;
  found.signing_key = (await db('signing_keys').where({ status: 'current' }).first('kid')) !== undefined;
}
