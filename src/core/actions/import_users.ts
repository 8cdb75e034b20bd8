// Import of users from another system, in batches of one transaction each. An import that was interrupted is started again:
// users who are present already are skipped.
import type { Knex } from 'knex';
import { newId } from '../../lib/ids.ts';
import type { Line } from '../../lib/split_lines.ts';
import { recordEvents } from '../audit/audit.ts';
import type { NewEvent } from '../audit/audit_events.ts';
import { json } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { addKnown, compareWithKnown, findKnown } from './imported_before.ts';
import { type ImportedUser, type RefusedLine, readImportedUser } from './imported_user.ts';

const batchSize = 500;
// SQLite takes at most 500 rows in one INSERT as Knex writes it.
const insertSize = 100;

export interface ImportTarget {
  db: Knex;
  /** For a dry run: an empty database that receives the users instead, so that repeated names are still detected. */
  scratch?: Knex;
  /** Whether the operator vouches for every address of the file. */
  trustAddresses?: boolean;
}

/** The outcome of a batch of lines. */
export interface ImportedBatch {
  lines: number;
  imported: number;
  /** Lines whose user exists already: from an earlier run, or from an earlier line of the same user. */
  present: number;
  refused: RefusedLine[];
  /** The offset in the file at which the batch ends, bytes. */
  end: number;
}

/** Imports the users of `lines`; yields the outcome of each batch once it is committed. */
export async function* importUsers(
  target: ImportTarget,
  lines: AsyncIterable<Line>,
): AsyncGenerator<ImportedBatch> {
  let batch: Line[] = [];
  for await (const line of lines) {
    batch.push(line);
    if (batch.length < batchSize) continue;
    yield await importBatch(target, batch);
    batch = [];
  }
  if (batch.length > 0) yield await importBatch(target, batch);
}

async function importBatch(
  { db, scratch, trustAddresses = false }: ImportTarget,
  lines: Line[],
): Promise<ImportedBatch> {
  const read = lines.map(readImportedUser).filter((one) => one !== null);
  const users = read
    .filter((one) => 'username' in one)
    .map((one) => ({ ...one, email_verified: one.email !== null && (one.email_verified || trustAddresses) }));
  const outcome = await (scratch ?? db).transaction(async (tx) => {
    const done = await importNew(tx, scratch ? [db, tx] : [tx], users);
    if (trustAddresses && done.imported > 0)
      await recordEvents(tx, [
        { type: 'addresses_trusted', actor: 'admin', reason: 'imported', detail: { users: done.imported } },
      ]);
    return done;
  });
  return {
    lines: read.length,
    imported: outcome.imported,
    present: outcome.present,
    refused: [...read.filter((one) => 'reason' in one), ...outcome.refused].toSorted(
      (a, b) => a.line - b.line,
    ),
    end: lines.at(-1)?.end ?? 0,
  };
}

interface Outcome {
  imported: number;
  present: number;
  refused: RefusedLine[];
}

async function importNew(tx: Knex.Transaction, places: Db[], users: ImportedUser[]): Promise<Outcome> {
  const refused: RefusedLine[] = [];
  let imported = 0;
  let present = 0;
  // A user may be created under one of the names between the SELECT and the INSERT, which then skips that row: the row is
  // compared again.
  for (let rest = users; rest.length > 0; ) {
    const known = await findKnown(places, rest);
    const fresh: ImportedUser[] = [];
    for (const user of rest) {
      const outcome = compareWithKnown(known, user);
      if (outcome === 'present') present += 1;
      else if (outcome !== 'new') refused.push({ line: user.line, reason: outcome });
      else {
        fresh.push(user);
        addKnown(known, { ...user, id: user.id ?? '' });
      }
    }
    const inserted = await insertUsers(tx, fresh);
    imported += inserted.size;
    rest = fresh.filter((user) => !inserted.has(user.line));
  }
  return { imported, present, refused };
}

// Returns the numbers of the lines whose users were inserted.
async function insertUsers(tx: Knex.Transaction, users: ImportedUser[]): Promise<Set<number>> {
  const lines = new Set<number>();
  for (let at = 0; at < users.length; at += insertSize) {
    const rows = users.slice(at, at + insertSize).map((user) => ({ user, row: toRow(tx, user) }));
    const inserted = await tx('users')
      .insert(rows.map(({ row }) => row))
      .onConflict()
      .ignore()
      .returning('id');
    const ids = new Set(inserted.map(({ id }) => id));
    for (const { user, row } of rows) if (ids.has(row.id)) lines.add(user.line);
    await recordEvents(
      tx,
      rows.filter(({ row }) => ids.has(row.id)).map(({ row }) => toEvent(row)),
    );
  }
  return lines;
}

function toEvent({ id, email_verified_at }: ReturnType<typeof toRow>): NewEvent {
  const detail = email_verified_at === null ? {} : { detail: { email_verified: true } };
  return { type: 'user_created', user_id: id, actor: 'admin', reason: 'imported', ...detail };
}

function toRow(db: Db, user: ImportedUser) {
  const { line: _line, id, created_at, email_verified, claims, ...rest } = user;
  return {
    ...rest,
    id: id ?? newId(),
    email_verified_at: email_verified ? present(db) : null,
    claims: claims && json(claims),
    roles: json(user.roles),
    permissions: json(user.permissions),
    status: 'active' as const,
    token_version: 0,
    created_at: created_at ?? present(db),
    updated_at: present(db),
  };
}
