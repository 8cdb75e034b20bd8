// Counts the statements of some work.
import type { Knex } from 'knex';

// Statements that run periodically: the trail is written, the clock, the signing keys and the figures are read.
const aside = /audit_events|session_rotations|signing_keys|now_at|statistics/i;

/** The statements that `work` sends, BEGIN and COMMIT included. */
export async function statementsOf(db: Knex, work: () => Promise<unknown>): Promise<string[]> {
  const sent: string[] = [];
  const see = ({ sql }: { sql: string }) => {
    if (!aside.test(sql)) sent.push(sql);
  };
  db.on('query', see);
  try {
    await work();
  } finally {
    db.off('query', see);
  }
  return sent;
}
