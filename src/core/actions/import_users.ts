// Import of users from another system, in batches of one transaction each. An import that was interrupted is started again:
// users who are present already are skipped.
import type { Knex } from 'knex';
import { newId } from '../../lib/ids.ts';
import type { Line } from '../../lib/split_lines.ts';
import { recordEvents } from '../audit/audit.ts';
import { isOutdated } from '../passwords/password_hash.ts';
import { json } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { addressKey, storedAddressKeys } from '../users/names.ts';
import { type ImportedUser, type RefusedLine, readImportedUser } from './imported_user.ts';

const batchSize = 500;
// SQLite takes at most 500 rows in one INSERT as Knex writes it.
const insertSize = 100;

export interface ImportTarget {
  db: Knex;
  /** For a dry run: an empty database that receives the users instead, so that repeated names are still detected. */
  scratch?: Knex;
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

async function importBatch({ db, scratch }: ImportTarget, lines: Line[]): Promise<ImportedBatch> {
  const read = lines.map(readImportedUser).filter((one) => one !== null);
  const users = read.filter((one) => 'username' in one);
  const outcome = await (scratch ?? db).transaction(async (tx) =>
    importNew(tx, scratch ? [db, tx] : [tx], users),
  );
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

interface KnownUser {
  id: string;
  username_key: string | null;
  email_key: string | null;
  password_hash: string | null;
}

interface Known {
  byId: Map<string, KnownUser>;
  byUsername: Map<string, KnownUser>;
  byEmail: Map<string, KnownUser>;
}

// Users who have one of these names or ids. The names of a deleted user are free, the id is not.
async function findKnown(places: Db[], users: ImportedUser[]): Promise<Known> {
  const known: Known = { byId: new Map(), byUsername: new Map(), byEmail: new Map() };
  const ids = users.flatMap(({ id }) => id ?? []);
  const usernames = users.map(({ username_key }) => username_key);
  const emails = users.flatMap(({ email_key }) => (email_key ? storedAddressKeys(email_key) : []));
  for (const db of places) {
    const select = () => db('users').select('id', 'username_key', 'email_key', 'password_hash');
    for (const one of await select().whereIn('id', ids)) known.byId.set(one.id, one);
    const named = select().whereIn('username_key', usernames).whereNot('status', 'deleted');
    const addressed = select().whereIn('email_key', emails).whereNot('status', 'deleted');
    for (const one of [...(await named), ...(await addressed)]) addKnown(known, one);
  }
  return known;
}

function addKnown({ byId, byUsername, byEmail }: Known, user: KnownUser): void {
  if (user.id) byId.set(user.id, user);
  if (user.username_key) byUsername.set(user.username_key, user);
  if (user.email_key) byEmail.set(addressKey(user.email_key), user);
}

// A user is present when the id or both names are the same; a user who shares only one name is another one.
function compareWithKnown(known: Known, user: ImportedUser): 'new' | 'present' | string {
  const sameId = user.id ? known.byId.get(user.id) : undefined;
  if (sameId) return sameId.username_key === user.username_key ? 'present' : 'id_taken';
  const sameName = known.byUsername.get(user.username_key);
  if (sameName) return isSame(sameName, user) ? 'present' : 'username_taken';
  return user.email_key && known.byEmail.has(user.email_key) ? 'email_taken' : 'new';
}

// Two lines of one name are distinguished by the hash, until the first login has replaced it by a hash of ours.
function isSame(known: KnownUser, user: ImportedUser): boolean {
  const known_key = known.email_key && addressKey(known.email_key);
  if (known_key !== user.email_key || (user.id && known.id !== user.id)) return false;
  const { password_hash } = known;
  return password_hash === user.password_hash || (password_hash !== null && !isOutdated(password_hash));
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
      [...ids].map((user_id) => ({ type: 'user_created', user_id, actor: 'admin', reason: 'imported' })),
    );
  }
  return lines;
}

function toRow(db: Db, user: ImportedUser) {
  const { line: _line, id, created_at, ...rest } = user;
  return {
    ...rest,
    id: id ?? newId(),
    roles: json(user.roles),
    permissions: json(user.permissions),
    status: 'active' as const,
    token_version: 0,
    created_at: created_at ?? present(db),
    updated_at: present(db),
  };
}
