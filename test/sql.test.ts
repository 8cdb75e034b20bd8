import test from 'ava';
import { readSources, readTableNames } from './helpers/structure/sources.ts';
import { sqlProblems } from './helpers/structure/sql.ts';
import { transactionProblems } from './helpers/structure/transactions.ts';

test('SQL and the names of tables stay in src/core', async (t) => {
  const tables = await readTableNames();
  t.true(tables.includes('users'));
  const sources = await Promise.all(['src', 'config', 'examples'].map((folder) => readSources(folder)));
  t.deepEqual(sqlProblems(sources.flat(), tables), []);
});

test('transactions over several topics stay in src/core/actions', async (t) => {
  t.deepEqual(transactionProblems(await readSources('src')), []);
});

const sqlTexts = [
  "const all = await db('users');",
  'const all = await db(`users`);',
  'const all = await db(name);',
  "await tx('users').update(change);",
  "await trx('users');",
  "await knex('users');",
  "await scratch('users');",
  "await deps.db('users').first();",
  "await this.db('users');",
  "await deps?.db('users');",
  "const one = await db<User>('users').where({ id }).first();",
  "await deps.db<Pick<User, 'id'>>('users').first();",
  "await handle('users').first();",
  "await handle<User>('users as u').first();",
  "await handle({ u: 'users' });",
  "db.select('id').from('users');",
  "db.select('id')\n.from<User>('users');",
  'db.select(columns).from(name);',
  "db.insert(row).into('users');",
  'db.insert(row).into(name);',
  "db.table('users');",
  'db.table(name);',
  "query.join('users', 'users.id', 'user_id');",
  "query.leftJoin('users as u', 'u.id', 'user_id');",
  "db.batchInsert('users', rows);",
  "db.withSchema('public');",
  'await db.raw(text);',
  "query.whereRaw('id = ?', id);",
  "await db.schema.createTable('users', make);",
  "await db.schema.hasTable('users');",
  'const q = `\n  select id\n    from users`;',
  "const q = 'select now()';",
  "const q = 'SELECT id FROM users';",
  "const q = 'Select id from users';",
  `const q = \`select \${columns} from \${name}\`;`,
  'const q = sql`select id from users`;',
  "const q = 'insert into users values (1)';",
  "const q = 'update users set name = 1';",
  "const q = 'update users as u set name = 1';",
  "const q = 'delete from users';",
  "const q = 'with one as (select 1) select * from one';",
  'const q = `with recursive one (n) as (select 1) select n from one`;',
  "const q = 'create table users (id text)';",
  "const q = 'create unique index one on users (id)';",
  "const q = 'alter table users add name text';",
  "const q = 'drop table users';",
  "const q = 'truncate users';",
  "const q = 'vacuum analyze users';",
  "const q = 'explain ' + text;",
  "const q = 'listen kindred';",
  "const q = 'pragma journal_mode = wal';",
];

for (const text of sqlTexts) {
  test(`SQL is found in: ${text.replaceAll(/\s+/g, ' ')}`, (t) => {
    const [first = '', ...others] = text.split('\n');
    const source = { path: 'src/http/x.ts', text: `const before = 1;\n${[first, ...others].join('\n')}\n` };
    t.deepEqual(sqlProblems([source], ['users']), ['src/http/x.ts:2: SQL belongs in core']);
    t.deepEqual(sqlProblems([{ ...source, path: 'src/core/users/x.ts' }], ['users']), []);
  });
}

test('sentences, comments and other calls are not found as SQL', (t) => {
  const text = [
    "const summary = 'Update my profile';",
    "const other = 'Select a session';",
    "const third = 'selected from the list';",
    "// db('users')",
    '/** select id from users */',
    "const all = Array.from(users).join(', ');",
    "const some = Buffer.from('users', 'utf8');",
    "command('users', 'list users');",
    "const found = list.includes('user');",
    'await deps.db.transaction((tx) => work(tx));',
  ].join('\n');
  t.deepEqual(sqlProblems([{ path: 'src/http/x.ts', text }], ['users']), []);
});

const over = (path: string, body: string): string[] =>
  transactionProblems([
    {
      path,
      text: [
        "import { lockUser } from '../../core/users/users.ts';",
        "import { endSessions } from '../../core/sessions/end_sessions.ts';",
        "import { recordEvent } from '../../core/audit/audit.ts';",
        'async function both(tx) { await lockUser(tx); await ends(tx); }',
        'const ends = async (tx) => { await endSessions(tx); };',
        body,
      ].join('\n'),
    },
  ]);

test('a transaction that calls functions of two topics belongs in core/actions', (t) => {
  const path = 'src/http/api/x.ts';
  const problem = `${path}:6: a transaction over sessions and users belongs in core/actions`;
  const inline = 'await deps.db.transaction(async (tx) => { await lockUser(tx); await endSessions(tx); });';
  t.deepEqual(over(path, inline), [problem]);
  t.deepEqual(over(path, 'await db.transaction((tx) => both(tx));'), [problem]);
  t.deepEqual(over(path, 'await db.transaction(both);'), [problem]);
  t.deepEqual(over('src/core/actions/x.ts', inline), []);
});

test('a transaction over one topic and the audit trail is allowed anywhere', (t) => {
  const body = 'await db.transaction(async (tx) => { await lockUser(tx); await recordEvent(tx); });';
  t.deepEqual(over('src/http/api/x.ts', body), []);
});
