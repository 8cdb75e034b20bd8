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
  let isGood = false;
  return async () => {
    looking ??= (isGood ? lookAgain(db) : look(db)).finally(() => {
      looking = null;
    });
    void looking.then((found) => {
      isGood = found.signing_key;
    });
    return await Promise.race([looking, sleep(patience, notReady, { ref: false })]);
  };
}

// No migration is undone below a node that works, so one statement tells the rest: of a node that is busy, a look of six
// would say that it cannot work. Whatever else it meets is looked at in full the next time.
async function lookAgain(db: Knex): Promise<Readiness> {
  try {
    const key = await db('signing_keys').where({ status: 'current' }).first('kid');
    return { database: true, migrations: true, signing_key: key !== undefined };
  } catch {
    return { ...notReady };
  }
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
