// Reading the audit trail: what administrators search, and the events of one session. A search reads the trail in slices
// along one index, and stops after a time: none reads a whole table in one statement.
import type { Knex } from 'knex';
import { firstIdOf, timeOfId } from '../../lib/ids.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import type { AuditEvent, EventType } from './audit_events.ts';

/** How many events of a session are read at most to find those of one type. */
const searched = 100;

/** The newest events of one type among the last hundred of a session, newest first. */
export async function listSessionEvents(
  db: Db,
  session_id: string,
  type: EventType,
  limit: number,
): Promise<AuditEvent[]> {
  const newest = db('audit_events').where({ session_id }).orderBy('id', 'desc').limit(searched);
  const ids = (await newest.select('id', 'type')).filter((event) => event.type === type).map(({ id }) => id);
  if (ids.length === 0) return [];
  return await db('audit_events').whereIn('id', ids.slice(0, limit)).orderBy('id', 'desc');
}

export interface EventSearch {
  user_id?: string | undefined;
  session_id?: string | undefined;
  client_id?: string | undefined;
  type?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  limit: number;
  /** Older than the event of this id. */
  before?: string | undefined;
}

export interface EventPage {
  /** Newest first, at most `limit`; fewer, or none, when the time was over. */
  events: AuditEvent[];
  /** The search goes on before this id; null when it has read everything. */
  next: string | null;
}

interface SearchBounds {
  /** Milliseconds after which a search answers what it has found so far. */
  time?: number;
  /** The most events that one statement reads. */
  slice?: number;
}

/** Milliseconds by which the time in an event's id, a node's, may differ from its `created_at`, the database's. */
const maxClockDifference = 600_000;

/** The last time that an id can have; and above the id of every event. */
const lastTime = 2 ** 48 - 1;
const endOfIds = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/**
 * Events of the trail, newest first. Where several filters have to agree, few of the events along the index may fit: the
 * search stops after two seconds, and its page then ends at the last event that it has read.
 */
export async function listEvents(
  db: Db,
  search: EventSearch,
  { time = 2_000, slice = 10_000 }: SearchBounds = {},
): Promise<EventPage> {
  const deadline = performance.now() + time;
  const events: AuditEvent[] = [];
  const wanted = search.limit + 1;
  let { before } = search;
  let size = Math.min(wanted, slice);
  for (;;) {
    const start = performance.now();
    const { found, looked, last } = await readSlice(db, { ...search, before }, size, wanted - events.length);
    events.push(...found);
    if (events.length === wanted) {
      const page = events.slice(0, search.limit);
      return { events: page, next: page.at(-1)?.id ?? null };
    }
    if (looked < size || last === null) return { events, next: null };
    if (performance.now() >= deadline) return { events, next: last };
    before = last;
    size = nextSize(size, performance.now() - start, slice);
  }
}

// A slice grows while it is read quickly, and shrinks on a slow disk, so that a search overruns its time by little.
function nextSize(size: number, took: number, most: number): number {
  return took < 100 ? Math.min(most, size * 4) : Math.max(50, Math.floor(size / 2));
}

/** Events along an index, and those among them that fit. */
interface Slice {
  found: AuditEvent[];
  /** How many events were read; fewer than asked for at the end of the index. */
  looked: number;
  /** The id of the last one. */
  last: string | null;
}

interface SliceRow extends AuditEvent {
  looked: number;
  last: string | null;
}

const columns = { created_at: 'time', detail: 'json' } as const satisfies Columns<SliceRow>;

// The filters with an index, those first that leave the fewest events.
const indexed = ['session_id', 'user_id', 'client_id', 'type'] as const;

async function readSlice(db: Db, search: EventSearch, size: number, wanted: number): Promise<Slice> {
  const { from, to, before, limit: _, ...equal } = search;
  const along = indexed.find((name) => equal[name] !== undefined);
  const others = indexed.filter((name) => name !== along && equal[name] !== undefined);
  const fits = [
    ...others.map((name) => `${name} = :${name}`),
    ...(from ? ['created_at >= :from'] : []),
    ...(to ? ['created_at < :to'] : []),
  ];
  const values: Record<string, Knex.RawBinding> = { ...boundsOf(search), size, wanted };
  for (const [name, value] of Object.entries({ ...equal, from, to }))
    if (value !== undefined) values[name] = value;
  const read = await rows<SliceRow>(
    db,
    `with slice as materialized (select * from audit_events where ${rangeAlong(db, along)} limit :size),
       found as (select * from slice ${fits.length > 0 ? `where ${fits.join(' and ')}` : ''} order by id desc limit :wanted)
     select found.*, looked, last
     from (select count(*) as looked, (select id from slice order by id limit 1) as last from slice) s
     left join found on true order by id desc`,
    values,
    columns,
  );
  const [{ looked, last } = { looked: 0, last: null }] = read;
  return { found: read.flatMap(eventOf), looked, last };
}

// Compares pairs, since nothing but the index of these two columns has their order: with `type = :type … order by id` Postgres
// may choose the key instead, and read all events of a long time to find that none has the type. The ids of whole months
// leave out partitions; closer bounds would let Postgres choose the key again.
function rangeAlong(db: Db, column: (typeof indexed)[number] | undefined): string {
  if (!column) return 'id >= :first and id < :end order by id desc';
  const months = isPostgres(db) ? 'and id >= :first_of_month and id < :end_of_month' : '';
  return `${column} is not null and (${column}, id) >= (:${column}, :first) and (${column}, id) < (:${column}, :end) ${months}
    order by ${column} desc, id desc`;
}

// The ids bound what is read, since they sort by time and every index ends in them; the times decide.
function boundsOf({ from, to, before }: EventSearch): Record<string, string> {
  const latest = to ? firstIdOf(new Date(to.getTime() + maxClockDifference)) : endOfIds;
  const first = firstIdOf(new Date(from ? from.getTime() - maxClockDifference : 0));
  const end = before !== undefined && before < latest ? before : latest;
  return { first, end, first_of_month: firstOfMonth(first, 0), end_of_month: firstOfMonth(end, 1) };
}

// The least id of the month of an id, or of a later month.
function firstOfMonth(id: string, later: number): string {
  const at = timeOfId(id);
  const month = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + later);
  return month > lastTime ? endOfIds : firstIdOf(new Date(month));
}

// Where nothing fits, the only row has no event.
function eventOf({ looked, last, ...event }: SliceRow): AuditEvent[] {
  return event.id === null ? [] : [event];
}
