// The list of users that administrators search. Each page costs the same however many users there are or match.
import { isText } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { loginKey } from './names.ts';
import { type User, type UserStatus, userColumns } from './users.ts';

/** A position in a list: `after` is the id, username key or e-mail key of the user before it. */
export interface UserPosition {
  by: 'id' | 'username' | 'email';
  after: string;
}

export interface UserSearch {
  /** The beginning of a username or e-mail address. */
  prefix?: string | undefined;
  status?: UserStatus | undefined;
  limit: number;
  /** List users after this position. */
  after?: UserPosition | undefined;
}

export interface UserPage {
  users: User[];
  /** The position at which the next page begins; null on the last page. */
  next: UserPosition | null;
}

/** Rows that a walk reads at most, so that users it leaves out do not make a page slow. */
const mostRows = 1_000;

/**
 * All users in the order of their ids, which is the order of their creation; or those of a prefix, first by username, then
 * by e-mail address those whose username does not match. A page may be shorter than `limit` although another follows: it
 * ends after {@link mostRows} rows.
 */
export async function listUsers(db: Db, { prefix, status, limit, after }: UserSearch): Promise<UserPage> {
  const key = prefix === undefined ? null : loginKey(prefix);
  if (key !== null && !isText(key)) return { users: [], next: null };
  const orders: UserPosition['by'][] = key === null ? ['id'] : ['username', 'email'];
  const found: { user: User; by: UserPosition['by'] }[] = [];
  for (const by of after ? orders.slice(orders.indexOf(after.by)) : orders) {
    const walk = createWalk(db, {
      by,
      key: key ?? lowestId,
      status,
      after: after?.by === by ? after.after : null,
    });
    const users = await walk.read(limit + 1 - found.length);
    found.push(...users.map((user) => ({ user, by })));
    if (found.length > limit) break;
    const edge = await walk.findEdge();
    if (edge) return { users: found.map(({ user }) => user), next: { by, after: edge } };
  }
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const next = last && found.length > limit ? positionOf(last.user, last.by) : null;
  return { users: page.map(({ user }) => user), next };
}

const lowestId = '00000000-0000-0000-0000-000000000000';
const columns = { id: 'id', username: 'username_key', email: 'email_key' } as const;

function positionOf(user: User, by: UserPosition['by']): UserPosition {
  return { by, after: user[columns[by]] ?? '' };
}

interface Range {
  by: UserPosition['by'];
  /** The lowest key, or the one that all others begin with. */
  key: string;
  status: UserStatus | undefined;
  after: string | null;
}

interface Walk {
  /** The next users of the range. */
  read: (limit: number) => Promise<User[]>;
  /** The key at which the walk gave up; null when it has read the range to its end. */
  findEdge: () => Promise<string | null>;
}

// The rows of an index in its order, and from them the ones that are wanted. An index serves every condition of `inner`.
function createWalk(db: Db, { by, key, status, after }: Range): Walk {
  const column = columns[by];
  const { greater, atLeast, less, order } = operatorsOf(db, by);
  const end = by === 'id' ? null : endOfPrefix(key);
  const isIn = (name: string) =>
    [`${name} ${atLeast} :key`, ...(end === null ? [] : [`${name} ${less} :end`])].join(' and ');
  const inner = [
    isIn(column),
    ...(after === null ? [] : [`${column} ${greater} :after`]),
    ...(status && status !== 'active' ? ["status = :status and status <> 'active'"] : []),
    // Deleted users have no names; the unique indexes of SQLite leave them out.
    ...(by !== 'id' && (!status || status === 'active') ? ["status <> 'deleted'"] : []),
  ];
  const outer = [
    ...(status === 'active' ? ["status = 'active'"] : []),
    ...(by === 'email' ? [`(username_key is null or not (${isIn('username_key')}))`] : []),
  ];
  const range = `from users ${where(inner)} order by ${column} ${order}`;
  const bindings = { key, end, after, status: status ?? null };
  return {
    async read(limit) {
      const within = outer.length > 0 ? mostRows : limit;
      const sql = `select * from (select * ${range} limit ${within}) as walked ${where(outer)}
        order by ${column} ${order} limit :limit`;
      return await rows<User>(db, sql, { ...bindings, limit }, userColumns);
    },
    async findEdge() {
      if (outer.length === 0) return null;
      const sql = `select ${column} as edge ${range} limit 1 offset ${mostRows - 1}`;
      const [row] = await rows<{ edge: string }>(db, sql, bindings);
      return row?.edge ?? null;
    },
  };
}

function where(conditions: string[]): string {
  return conditions.length > 0 ? `where ${conditions.join(' and ')}` : '';
}

// Keys are compared by their bytes, which is the order of their code points: SQLite always does, Postgres by these operators,
// whatever the collation of the database.
function operatorsOf(db: Db, by: UserPosition['by']) {
  return by !== 'id' && isPostgres(db)
    ? { greater: '~>~', atLeast: '~>=~', less: '~<~', order: 'using ~<~' }
    : { greater: '>', atLeast: '>=', less: '<', order: '' };
}

// The first text after all that begin with the prefix: its last character that has a successor gets it. Null when none has.
function endOfPrefix(prefix: string): string | null {
  const points = [...prefix].map((one) => one.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    // Surrogates are no characters of their own.
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}
