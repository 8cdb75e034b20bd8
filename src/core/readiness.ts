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

/**
 * Makes the look at one database: `patience` milliseconds at most, since one that takes longer is no help to anybody who
 * waits. While a look hangs, nobody begins another: they would take every connection away from the requests.
 */
export function createReadinessCheck(db: Knex, patience = 1_000): () => Promise<Readiness> {
  let looking: Promise<Readiness> | null = null;
  return async () => {
    looking ??= look(db).finally(() => {
      looking = null;
    });
    return await Promise.race([looking, sleep(patience, notReady, { ref: false })]);
  };
}

async function look(db: Knex): Promise<Readiness> {
  const found = { ...notReady };
  try {
    await db.raw('select 1');
    found.database = true;
    found.migrations = await isMigrated(db);
    if (found.migrations) {
      const key = await db('signing_keys').where({ status: 'current' }).first('kid');
      found.signing_key = key !== undefined;
    }
  } catch {
    // What had been found by then is the answer.
  }
  return found;
}
