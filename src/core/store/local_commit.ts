// Writes that do not wait for a synchronous standby, by a setting that the statement itself brings (docs/decisions/009).
import { type Db, isPostgres } from './db.ts';

/** The name of the column that {@link localCommitSql} adds to the rows. */
export const localCommitColumn = 'set_config';

// Holds until the end of the transaction, which is the statement itself. Where an operator has turned `synchronous_commit`
// off, it stays off.
const setLocal = `set_config('synchronous_commit',
  case current_setting('synchronous_commit') when 'off' then 'off' else 'local' end, true)`;

/**
 * The end of a RETURNING list (`returning generation${localCommitSql(db)}`) of a statement marked `commit: 'local'`: its commit
 * waits for the primary's disk alone. Only for a statement that always returns a row when it has written anything. Empty on
 * SQLite, and in a transaction: it would change the commit of the whole.
 */
export function localCommitSql(db: Db): string {
  return isPostgres(db) && !db.isTransaction ? `, ${setLocal}` : '';
}

/**
 * The same as a condition, always true, for a statement that may return no row: an UPDATE that waited for another, found that
 * its row no longer fits and changed nothing has locked the row in the log all the same, so its commit would wait.
 */
export function localCommitCondition(db: Db): string {
  return isPostgres(db) && !db.isTransaction ? `${setLocal} is not null` : 'true';
}

/** The same as a last item of a FROM list of Postgres, for a statement that writes many rows: the setting is made once. */
export function localCommitTable(db: Db): string {
  return db.isTransaction ? '' : `, (select ${setLocal}) as local_commit`;
}
