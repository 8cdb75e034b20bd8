import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import about from '../../package.json' with { type: 'json' };
import { otherSecret } from '../helpers/builders.ts';
import { assertRefusedCommand, kindred, kindredJson, runCommand } from '../helpers/commands.ts';
import { environment } from '../helpers/server.ts';
import { testOnEmptyStores, testOnStores } from '../helpers/stores.ts';
import { readTables } from '../helpers/tables.ts';

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-cli-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

testOnEmptyStores(
  'migrate makes an empty database usable and reports it; a second run does nothing',
  async (t, store) => {
    const server = { databaseUrl: store.url };
    assertRefusedCommand(
      t,
      await kindred(server, ['sessions', 'ada']),
      /not been migrated; run "npm run migrate"/,
    );
    t.deepEqual(await readTables(store.db), {});

    const { migrations } = await kindredJson<{ migrations: string[] }>(server, ['migrate']);
    t.is(migrations[0], '001_initial.ts');
    t.deepEqual(await kindredJson(server, ['migrate']), { migrations: [] });
    const { code, stdout } = await kindred(server, ['migrate']);
    t.is(code, 0);
    t.regex(stdout, /^nothing to migrate: the database (sqlite|postgres):\S+ is up to date\n$/);
    // The URL of a Postgres holds its password.
    if (store.name === 'postgres') t.false(stdout.includes(new URL(store.url).password));
    assertRefusedCommand(t, await kindred(server, ['sessions', 'ada']), /there is no user "ada"/);
  },
);

const commands = [
  ['create-user', '--username', 'ada', '--password-stdin'],
  ['create-client', '--metadata', '-'],
  ['create-resource-server', '--identifier', 'https://a.example/'],
  ['sessions', 'ada'],
  ['logout', 'ada'],
];

const phoneApp = '{"first_party":true}';

for (const args of commands) {
  test(`${args[0]} in an empty folder names the command to run first, and creates no database`, async (t) => {
    const cwd = await emptyFolder(t);
    const env = { PATH: process.env.PATH ?? '' };
    const outcome = await runCommand(args, { env, cwd, stdin: phoneApp });
    assertRefusedCommand(
      t,
      outcome,
      /sqlite:\.\/data\/kindred\.sqlite has not been migrated; run "npm run migrate"/,
    );
    t.false(existsSync(join(cwd, 'data/kindred.sqlite')));
  });
}

test('migrate in an empty folder creates the database that the server then uses', async (t) => {
  const cwd = await emptyFolder(t);
  const { code, stdout } = await runCommand(['migrate'], { env: {}, cwd });
  t.is(code, 0);
  t.regex(stdout, /^migrated the database sqlite:\.\/data\/kindred\.sqlite: 001_initial\.ts/);
  const made = await readdir(join(cwd, 'data'));
  t.true(made.includes('kindred.sqlite') && made.includes('secret'));
});

testOnStores(
  'with the secret of another deployment, create-client changes nothing and exits',
  async (t, store) => {
    const args = ['create-client', '--metadata', '-'];
    const stdin = '{"first_party":true}';
    t.is((await kindred({ databaseUrl: store.url }, args, stdin)).code, 0);
    const before = await readTables(store.db);
    const env = environment(store.url, { KINDRED_SECRET: otherSecret });
    assertRefusedCommand(
      t,
      await runCommand(args, { env, stdin }),
      /no secret in KINDRED_SECRET can decrypt the signing keys/,
    );
    t.deepEqual(await readTables(store.db), before);
  },
);

test('an unreachable Postgres is reported in one line, without its password', async (t) => {
  for (const args of [['sessions', 'ada'], ['migrate'], ['create-client', '--metadata', '-']]) {
    const outcome = await kindred({ databaseUrl: 'postgres://u:hunter2@127.0.0.1:1/x' }, args, phoneApp);
    assertRefusedCommand(t, outcome, /the database on 127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/);
    t.notRegex(outcome.stderr, /hunter2/);
  }
});

test('a file that is not a database is reported in one line', async (t) => {
  const cwd = await emptyFolder(t);
  await writeFile(join(cwd, 'notes.txt'), 'buy milk\n'.repeat(200));
  const env = environment('sqlite:notes.txt');
  assertRefusedCommand(
    t,
    await runCommand(['sessions', 'ada'], { env, cwd }),
    /notes\.txt is not a database/,
  );
  assertRefusedCommand(t, await runCommand(['migrate'], { env, cwd }), /notes\.txt is not a database/);
});

test('all invalid settings are named in one line', async (t) => {
  const env = { ...environment('mysql://x'), PORT: '99999' };
  assertRefusedCommand(
    t,
    await runCommand(['migrate'], { env }),
    /settings are not usable: .*PORT: .*DATABASE_URL: /,
  );
});

test('help and version are not errors; a missing command is one, and prints the help', async (t) => {
  const env = {};
  const help = await runCommand(['--help'], { env });
  t.is(help.code, 0);
  for (const [name] of [['migrate'], ...commands]) t.regex(help.stdout, new RegExp(`^ {2}${name} `, 'm'));
  const one = await runCommand(['create-user', '--help'], { env });
  t.is(one.code, 0);
  t.regex(one.stdout, /--password-stdin/);
  t.deepEqual(await runCommand(['--version'], { env }), {
    code: 0,
    signal: null,
    stdout: `${about.version}\n`,
    stderr: '',
  });
  const nothing = await runCommand([], { env });
  t.is(nothing.code, 1);
  t.is(nothing.stdout, '');
  t.regex(nothing.stderr, /^Usage: kindred/);
});
