// The ring of a session's last eight rotations: when and from where each came. A rotation overwrites the one eight generations
// before it, so a session's history does not grow. The rows are written in batches, about a second after the rotations.
import type { AuditEvent } from '../audit/audit_events.ts';
import { listSessionEvents } from '../audit/audit_search.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { localCommitTable } from '../store/local_commit.ts';
import { statement } from '../store/statements.ts';
import { countRotations } from './hourly_rotations.ts';

/** How many rotations of a session are kept. */
export const ringSize = 8;

/** The most rows that one statement writes. */
const batchSize = 200;

/** A row of `session_rotations`. */
export interface SessionRotation {
  session_id: string;
  rotated_at: Date;
  /** The generation that the rotation made. */
  generation: number;
  /** The generation modulo {@link ringSize}. */
  slot: number;
  /** Null where it is the session's `login_ip`; the empty text where there was none. The same holds for `user_agent`. */
  ip: string | null;
  user_agent: string | null;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    session_rotations: Table<SessionRotation>;
  }
}

declareColumns('session_rotations', { rotated_at: 'time' });

/** One rotation as it is shown. */
export interface ShownRotation {
  generation: number;
  rotated_at: Date;
  ip: string | null;
  user_agent: string | null;
}

/** Where rotations go, as the audit batch takes it: into the ring, and with `all` into the trail as well. */
export function rotationRing(setting: 'ring' | 'all') {
  const inTrail = setting === 'all';
  return {
    inTrail,
    async write(db: Db, rotations: AuditEvent[]): Promise<void> {
      await writeRotations(db, rotations);
      // What is in the trail is counted there (core/statistics/count_statistics.ts).
      if (!inTrail) await countRotations(db, rotations);
    },
  };
}

// The address of a session's row changes with each rotation, so a row can only refer to the one of the login. Sorted, so that
// two nodes that write the same rows do not wait for each other in a circle. A rotation loses against a later one of its slot
// in whatever order nodes write. Sessions that are gone are left out, as are those of users whose personal data was erased.
const writeRing = statement(
  { name: 'write_rotations', alone: true, commit: 'local' },
  (db) => `
  insert into session_rotations as r (session_id, slot, generation, rotated_at, ip, user_agent)
  select s.id, e.slot, e.generation, e.rotated_at,
    case when e.ip is distinct from s.login_ip then coalesce(e.ip, '') end,
    case when e.user_agent is distinct from s.login_user_agent then coalesce(e.user_agent, '') end
  from ${entriesSql(db)} join sessions s on s.id = e.session_id${isPostgres(db) ? localCommitTable(db) : ''}
  where s.ended_at is null or exists (select 1 from users u where u.id = s.user_id and u.status <> 'deleted')
  order by s.id, e.slot
  on conflict (session_id, slot) do update set generation = excluded.generation, rotated_at = excluded.rotated_at,
    ip = excluded.ip, user_agent = excluded.user_agent where excluded.generation > r.generation`,
);

function entriesSql(db: Db): string {
  if (isPostgres(db))
    return `json_to_recordset(cast(:entries as json)) as e (session_id uuid, slot smallint, generation integer, rotated_at timestamptz,
      ip text, user_agent text)`;
  const members = ['session_id', 'slot', 'generation', 'rotated_at', 'ip', 'user_agent'];
  const columns = members.map((name) => `value->>'${name}' as ${name}`);
  return `(select ${columns.join(', ')} from json_each(:entries)) as e`;
}

/**
 * Writes the events of rotations into the rings of their sessions, at most 200 rows at a time. Writing the same
 * events again changes nothing.
 */
export async function writeRotations(db: Db, rotations: AuditEvent[]): Promise<void> {
  const entries = entriesOf(rotations);
  for (let from = 0; from < entries.length; from += batchSize) {
    const batch = entries.slice(from, from + batchSize);
    const stored = isPostgres(db)
      ? batch
      : batch.map((entry) => ({ ...entry, rotated_at: entry.rotated_at.getTime() }));
    await writeRing(db, { entries: json(stored) });
  }
}

// One entry for each slot of a session, that of the highest generation.
function entriesOf(rotations: AuditEvent[]): SessionRotation[] {
  const entries = new Map<string, SessionRotation>();
  for (const { session_id, detail, created_at, ip, user_agent } of rotations) {
    const generation = Number(detail?.generation);
    if (!session_id || !Number.isInteger(generation)) continue;
    const slot = generation % ringSize;
    const key = `${session_id} ${slot}`;
    if ((entries.get(key)?.generation ?? -1) < generation)
      entries.set(key, { session_id, slot, generation, rotated_at: created_at, ip, user_agent });
  }
  return [...entries.values()].toSorted((a, b) => compareText(a.session_id, b.session_id) || a.slot - b.slot);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The last rotations of a session, newest first. Beside the ring it reads the newest events of the trail, where nodes of
 * the previous version, and those with `AUDIT_REFRESHES=all`, write each rotation.
 */
export async function listRotations(db: Db, session_id: string): Promise<ShownRotation[]> {
  const ring = await rows<ShownRotation>(
    db,
    `select r.generation, r.rotated_at, nullif(coalesce(r.ip, s.login_ip), '') as ip,
       nullif(coalesce(r.user_agent, s.login_user_agent), '') as user_agent
     from session_rotations r join sessions s on s.id = r.session_id where r.session_id = :session_id`,
    { session_id },
    { rotated_at: 'time' },
  );
  const inTrail = await listSessionEvents(db, session_id, 'refresh_token_rotated', ringSize);
  const trail = inTrail.map(({ detail, created_at, ip, user_agent }) => ({
    generation: Number(detail?.generation),
    rotated_at: created_at,
    ip,
    user_agent,
  }));
  const known = new Map([...trail, ...ring].map((rotation) => [rotation.generation, rotation]));
  return [...known.values()].toSorted((a, b) => b.generation - a.generation).slice(0, ringSize);
}

/** Removes the rings of sessions which are being removed, or whose user has been deleted. */
export async function deleteRotations(db: Db, session_ids: string[]): Promise<void> {
  await db('session_rotations').whereIn('session_id', session_ids).delete();
}

/** Removes the rings of sessions which are gone, between two session ids (the first excluded, no end without `last`). */
export async function deleteOrphanedRotations(
  db: Db,
  after: string,
  last: string | undefined,
): Promise<void> {
  const orphaned = db('session_rotations').where('session_id', '>', after);
  // Bounded as well, since Postgres may read the sessions in their order.
  const sessions = db('sessions')
    .whereRaw('sessions.id = session_rotations.session_id')
    .where('id', '>', after);
  if (last !== undefined) {
    orphaned.where('session_id', '<=', last);
    sessions.where('id', '<=', last);
  }
  await orphaned.whereNotExists(sessions.select('id')).delete();
}
