// Whether this node can work now: its database answers, has the schema of this version, and holds a key to sign with.
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
 * Makes the check of one database. It answers after `timeout` milliseconds at most, because a load balancer would give up on a
 * slower one. While a check hangs no other begins: repeated checks would take all connections away from the requests.
 */
export function createReadinessCheck(db: Knex, timeout = 1_000): () => Promise<Readiness> {
  let checking: Promise<Readiness> | null = null;
  let wasReady = false;
  return async () => {
    checking ??= (wasReady ? checkAgain(db) : checkAll(db)).finally(() => {
      checking = null;
    });
    void checking.then((found) => {
      wasReady = found.signing_key;
    });
    return await Promise.race([checking, sleep(timeout, notReady, { ref: false })]);
  };
}

// Migrations are not undone under a working node, so one statement suffices afterwards: on a busy node the six statements of
// the full check would take too long. After a failure the next check is a full one.
async function checkAgain(db: Knex): Promise<Readiness> {
  try {
    const key = await db('signing_keys').where({ status: 'current' }).first('kid');
    return { database: true, migrations: true, signing_key: key !== undefined };
  } catch {
    return { ...notReady };
  }
}

async function checkAll(db: Knex): Promise<Readiness> {
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
    // The answer is what had been found by then.
  }
  return found;
}
