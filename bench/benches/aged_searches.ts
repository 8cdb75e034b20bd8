// What administrators search in a database that has been in use for a year: users, and the trail by each single filter with a
// range of time. Each search has many variants, so that no answer comes from what the one before has read.
import { select } from '../harness/stage.ts';
import { client_id, web } from '../peers/parties.ts';
import { type Aged, eventSession } from './aged_database.ts';
import { userId } from './fill.ts';

const day = 86_400_000;
/** Variants of each search. */
const variants = 50;

/** The paths of each search by its name. */
export type Searches = Record<string, string[]>;

/** Searches of the trail. */
export async function trailSearches(databaseUrl: string, aged: Aged): Promise<Searches> {
  const { users, sessions } = await pickIds(databaseUrl, aged);
  return {
    'events, one day': eachVariant((n) => events({}, range(aged, n, 1))),
    'events, until a time': eachVariant((n) => events({}, { to: range(aged, n, 1).to })),
    'events of a user': eachVariant((n) => events({ user_id: users[n] ?? '' }, range(aged, n, 90))),
    'events of a session': eachVariant((n) => events({ session_id: sessions[n] ?? '' }, range(aged, n, 90))),
    'events of the largest client': eachVariant((n) => events({ client_id }, range(aged, n, 30))),
    'events of a small client': eachVariant((n) => events({ client_id: web.client_id }, range(aged, n, 30))),
    'events of no client': eachVariant((n) => events({ client_id: `nobody-${n}` }, range(aged, n, 300))),
    'events of a frequent type': eachVariant((n) => events({ type: 'session_ended' }, range(aged, n, 30))),
    'events of a rare type': eachVariant((n) => events({ type: 'user_updated' }, range(aged, n, 300))),
    'events of an absent type': eachVariant((n) =>
      events({ type: 'client_secret_added' }, range(aged, n, 300)),
    ),
  };
}

/** Searches of users. */
export function userSearches({ users }: Aged): Searches {
  const search = (prefix: (n: number) => string) =>
    eachVariant((n) => `/api/admin/users?${new URLSearchParams({ search: prefix(n) })}`);
  return {
    'users, one name': search((n) => `filled-${Math.floor((n * users) / variants)}`),
    'users, many names': search((n) => `filled-${n % 10}`),
    'users, all names': search(() => 'filled'),
    'users, no name': search((n) => `nobody-${n}`),
    'users, banned': ['/api/admin/users?status=banned'],
    'users, first page': ['/api/admin/users'],
  };
}

function eachVariant(pathOf: (n: number) => string): string[] {
  return Array.from({ length: variants }, (_, n) => pathOf(n));
}

interface Range {
  from?: string;
  to: string;
}

// The same number of days at another time of the year for each variant.
function range({ from, to }: Aged, n: number, days: number): Required<Range> {
  const start = from + Math.floor((n / variants) * (to - from - days * day));
  return { from: new Date(start).toISOString(), to: new Date(start + days * day).toISOString() };
}

function events(filter: Record<string, string>, between: Range): string {
  return `/api/admin/events?${new URLSearchParams({ ...filter, ...between })}`;
}

async function pickIds(databaseUrl: string, aged: Aged): Promise<{ users: string[]; sessions: string[] }> {
  const rows = await select<{ user_id: string; session_id: string }>(
    databaseUrl,
    `select ${userId('(n * 7919 % $2::bigint)')} as user_id, ${eventSession} as session_id
     from generate_series(0, $1::bigint - 1, $1::bigint / $3::bigint) n`,
    [aged.events, aged.users, variants],
  );
  return { users: rows.map((row) => row.user_id), sessions: rows.map((row) => row.session_id) };
}
