// Reports every statement that runs, for traces: its verb and its table, never a value.
import type { Knex } from 'knex';

export interface Query {
  verb: string;
  table: string | null;
}

/** Called when a statement begins; the function that it returns is called when the statement has ended. */
export type QueryWatcher = (query: Query) => ((failed: boolean) => void) | null;

interface KnexQuery {
  __knexQueryUid?: string;
  sql?: string;
}

/** Calls `watcher` for every statement that `db` runs from now on, those of transactions too. */
export function watchQueries(db: Knex, watcher: QueryWatcher): void {
  const running = new Map<string, (failed: boolean) => void>();
  const finish = (uid: string | undefined, failed: boolean) => {
    if (uid === undefined) return;
    running.get(uid)?.(failed);
    running.delete(uid);
  };
  db.on('query', ({ __knexQueryUid: uid, sql }: KnexQuery) => {
    const finished = uid !== undefined && sql !== undefined ? watcher(describeQuery(sql)) : null;
    if (finished && uid !== undefined) running.set(uid, finished);
  });
  db.on('query-response', (_answer: unknown, query: KnexQuery) => finish(query.__knexQueryUid, false));
  db.on('query-error', (_error: unknown, query: KnexQuery) => finish(query.__knexQueryUid, true));
}

/** The verb and the first table of a statement; for a WITH, those of its first part. */
export function describeQuery(sql: string): Query {
  const verb = /\b(select|insert|update|delete|begin|commit|rollback|savepoint|set)\b/i.exec(sql)?.[1];
  const table = /\b(?:from|into|update)\s+["`]?(\w+)/i.exec(sql)?.[1];
  return { verb: verb?.toLowerCase() ?? 'other', table: table?.toLowerCase() ?? null };
}
