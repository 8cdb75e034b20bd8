// Checks of the doctor on the partitions of the audit trail: who owns them, and that events find the one of their month.
import type { Knex } from 'knex';
import { formatNumberOf } from '../../lib/format.ts';
import { countEvents, hasPartition, readTrailTable, type TrailTable } from '../audit/partitions.ts';
import { readClock } from '../store/sql_time.ts';
import type { Finding } from './finding.ts';

const check = 'audit trail';
/** Days ahead that have to have a partition; a sweep that runs leaves it two months. */
const daysAhead = 7;
/** The most events of the default partition that are counted. */
const most = 10_000;

/** Checks the partitions of the trail; nothing on SQLite, which has none. */
export async function checkTrail(db: Knex): Promise<Finding[]> {
  const table = await readTrailTable(db);
  if (!table) return [];
  const rest = table.partitions.find((one) => one.isDefault && one.is_readable);
  const stray = rest ? await countEvents(db, rest.name, most) : 0;
  const problems = [
    ...ownershipProblems(table),
    ...monthProblems(table, await readClock(db)),
    ...(rest && stray > 0 ? [strayProblem(rest.name, stray)] : []),
  ];
  const data = { partitions: table.partitions.length, events_in_default: stray, is_owner: table.is_owner };
  if (problems.length > 0) return problems.map((problem) => ({ check, ...problem, data }));
  return [{ check, state: 'good', text: `${table.partitions.length} partitions, one for each month`, data }];
}

type Problem = Required<Pick<Finding, 'state' | 'text' | 'advice'>>;

function ownershipProblems({ owner, is_owner, partitions }: TrailTable): Problem[] {
  const foreign = partitions.filter((one) => one.owner !== owner).map(({ name }) => name);
  return [
    ...(is_owner
      ? []
      : [
          {
            state: 'note' as const,
            text: `the trail belongs to ${owner}, so this role makes and drops no partitions; the sweep deletes old events by row`,
            advice: `run kindred sweep once a month as ${owner} or as a superuser`,
          },
        ]),
    ...(foreign.length === 0
      ? []
      : [
          {
            state: 'wrong' as const,
            text: `the trail belongs to ${owner}, but not its partitions ${foreign.join(', ')}`,
            advice: `give each of them the same owner: alter table ${foreign[0]} owner to ${owner}`,
          },
        ]),
  ];
}

function monthProblems(table: TrailTable, now: Date): Problem[] {
  const soon = new Date(now.getTime() + daysAhead * 86_400_000);
  if (hasPartition(table, now) && hasPartition(table, soon)) return [];
  return [
    {
      state: 'wrong',
      text: `events of the month ${soon.toISOString().slice(0, 7)} have no partition and go to the default one`,
      advice: `check that the sweep runs, or run kindred sweep as ${table.owner}`,
    },
  ];
}

function strayProblem(name: string, stray: number): Problem {
  const count = `${formatNumberOf(stray, 'event')}${stray < most ? '' : ' or more'}`;
  return {
    state: 'note',
    text: `${name} holds ${count}, recorded by a wrong clock or while their month had no partition`,
    advice: 'see docs/operations.md, "The audit trail": events past AUDIT_RETENTION go as usual',
  };
}
