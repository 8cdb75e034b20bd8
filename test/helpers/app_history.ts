// Checks the requests and answers of apps (apps.ts) against the rules of sessions. Each contradiction is one line of text.
import type { Knex } from 'knex';
import type { Session } from '../../src/core/sessions/sessions.ts';
import type { Attempt } from './apps.ts';

/** The times of the request that ends a session and of its answer. */
export interface Ending {
  begun: number;
  answered: number;
}

/** By session. */
export type Endings = Map<string, Ending>;

/** The contradictions in `history`, given the sessions that the test ended; empty when there is none. */
export async function contradictions(db: Knex, history: Attempt[], ended: Endings): Promise<string[]> {
  const bySession = Map.groupBy(history, (attempt) => attempt.session_id);
  const rows = await db<Session>('sessions').whereIn('id', [...bySession.keys()]);
  const found = history.flatMap((attempt) => judgeAnswer(attempt));
  for (const row of rows) {
    const attempts = bySession.get(row.id) ?? [];
    const against = [
      ...judgeFamily(attempts),
      ...judgeRow(row, attempts, ended),
      ...judgeEnd(attempts, ended.get(row.id)),
    ];
    if (against.length > 0) found.push(...against, ...attempts.slice(-6).map(retell));
  }
  return found;
}

// Whatever happens to nodes and database, there are three answers: tokens, "ended" and "retry".
function judgeAnswer(attempt: Attempt): string[] {
  const { status, presented, answered, error, reason, retry_after } = attempt;
  const say = (what: string) => [`${tell(attempt)}: ${what}`];
  if (status === null) return [];
  if (status === 200)
    return answered === presented + 1 ? [] : say(`generation ${answered} after ${presented}`);
  if (status === 503) {
    if (!/^[1-9]\d*$/.test(retry_after ?? '')) return say('no Retry-After');
    // A starting node answers without a body.
    return error === null || error === 'temporarily_unavailable' ? [] : say(`503 ${error}`);
  }
  return status === 400 && error === 'invalid_grant' ? [] : say(`${status} ${error} ${reason}`);
}

// Each generation has one successor; a family that forks has two.
function judgeFamily(attempts: Attempt[]): string[] {
  const tokens = new Map<number, string>();
  return attempts.flatMap((attempt) => {
    const { answered, token } = attempt;
    if (answered === null || token === null) return [];
    const known = tokens.get(answered);
    tokens.set(answered, token);
    return known === undefined || known === token ? [] : [`${tell(attempt)}: a second token of ${answered}`];
  });
}

// Durability: every answered rotation is in the database, and every one there was requested.
function judgeRow(row: Session, attempts: Attempt[], ended: Endings): string[] {
  const answered = Math.max(0, ...attempts.map((one) => one.answered ?? 0));
  const asked = Math.max(...attempts.map((one) => one.presented + 1));
  const found: string[] = [];
  if (row.generation < answered) found.push(`${row.id}: answered ${answered}, stored ${row.generation}`);
  if (row.generation > asked) found.push(`${row.id}: asked for ${asked}, stored ${row.generation}`);
  if (ended.has(row.id) !== (row.ended_at !== null))
    found.push(`${row.id}: ${row.ended_reason ?? 'lives although it was ended'}`);
  return found;
}

// After the end was answered no later request succeeds; before it was requested no request is refused.
function judgeEnd(attempts: Attempt[], end: Ending | undefined): string[] {
  return attempts.flatMap((attempt) => {
    if (end && attempt.status === 200 && attempt.begun > end.answered)
      return [`${tell(attempt)}: good after the end`];
    if (attempt.status === 400 && !(end && attempt.ended > end.begun))
      return [`${tell(attempt)}: refused (${attempt.reason})`];
    return [];
  });
}

function tell({ session_id, node, presented, begun }: Attempt): string {
  return `${session_id} presents ${presented} to ${node} at ${Math.round(begun)}`;
}

// The requests that led to a contradiction, for the report.
function retell(attempt: Attempt): string {
  const { ended, status, answered, error, reason } = attempt;
  const said = status === null ? `nothing (${error})` : `${status} ${answered ?? `${error} ${reason}`}`;
  return `  ${tell(attempt)} and hears ${said} at ${Math.round(ended)}`;
}

/** A summary of the requests, for the log of a test. */
export function summary(history: Attempt[]): string {
  const kinds = Map.groupBy(history, (one) =>
    one.status === null ? `no answer (${one.error})` : String(one.status),
  );
  return [...kinds].map(([kind, all]) => `${kind}: ${all.length}`).join(', ');
}
