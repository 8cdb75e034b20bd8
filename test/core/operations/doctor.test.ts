import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { saveRecord } from '../../../src/core/engine_records/save_record.ts';
import { checkDeployment } from '../../../src/core/operations/doctor.ts';
import type { Finding } from '../../../src/core/operations/finding.ts';
import { createKeyring } from '../../../src/lib/crypto.ts';
import { after, keyring, makeUser, openTestSession, otherSecret, secret } from '../../helpers/builders.ts';
import { assertRefusedCommand, kindred, kindredJson, runCommand } from '../../helpers/commands.ts';
import { loadKeys, removeKeys } from '../../helpers/keys.ts';
import { isActive, refresh, signIn } from '../../helpers/oauth.ts';
import { environment, startTestServer } from '../../helpers/server.ts';
import { type Store, testOnEmptyStores, testOnStores } from '../../helpers/stores.ts';

async function findings({ db, url }: Store, ring = keyring): Promise<Finding[]> {
  return await checkDeployment(db, loadConfig(environment(url)), ring);
}

function states(found: Finding[]): Record<string, string> {
  return Object.fromEntries(found.map(({ check, state }) => [check, state]));
}

testOnStores('a working deployment has no finding that is wrong, as text and as JSON', async (t, store) => {
  const server = await startTestServer(t, store);
  await signIn(server);
  const { code, stdout, stderr } = await kindred(server, ['doctor']);
  t.is(code, 0, stdout);
  t.is(stderr, '');
  for (const line of [
    /^ok +database: (SQLite|Postgres) \d+\.\d+/m,
    /^ok +migrations: all are applied/m,
    /^ok +clock: /m,
    /^ok +signing keys: the current key has signed for 0 h/m,
    /1 live session$/m,
    /^note +restore: .*\n +-> .*--end-all-sessions/m,
  ]) {
    t.regex(stdout, line);
  }
  if (store.name === 'postgres') {
    t.regex(
      stdout,
      /^ok +heap-only updates: (no session has been updated yet|[\d.]+ % of \d+ updates of sessions were heap-only)$/m,
    );
  }
  t.false(stdout.includes(secret));
  const { is_well, findings: found } = await kindredJson<{ is_well: boolean; findings: Finding[] }>(server, [
    'doctor',
  ]);
  t.true(is_well);
  const pooler = store.name === 'postgres' ? ['pooler'] : [];
  const checks = [
    'settings',
    'database',
    ...pooler,
    'migrations',
    'clock',
    'signing keys',
    'sweep',
    'messages',
  ];
  const upkeep = store.name === 'postgres' ? ['audit trail', 'heap-only updates', 'autovacuum'] : [];
  t.deepEqual(
    found.filter((one) => one.state !== 'note' || one.check === 'restore').map((one) => one.check),
    [...checks, ...upkeep, 'size', 'a month from now', 'restore'],
  );
  t.true(found.every((one) => one.state === 'good' || one.advice));
});

testOnEmptyStores('a database without tables is reported as wrong, and is not changed', async (t, store) => {
  const { code, stdout } = await kindred({ databaseUrl: store.url }, ['doctor']);
  t.is(code, 1);
  t.regex(
    stdout,
    /^WRONG +(migrations: \d+ are missing|database: there is no file .+)\n +-> run: kindred migrate/m,
  );
  t.false(await store.db.schema.hasTable('knex_migrations'));
});

test('a missing database is reported as wrong, and is not created', async (t) => {
  const cwd = await mkdtemp(join(tmpdir(), 'kindred-doctor-'));
  t.teardown(() => rm(cwd, { recursive: true }));
  const none = await runCommand(['doctor'], { cwd, env: environment('sqlite:./here/kindred.sqlite') });
  t.is(none.code, 1);
  t.regex(none.stdout, /^WRONG +database: there is no file \.\/here\/kindred\.sqlite$/m);
  t.deepEqual(await readdir(cwd), []);

  const away = await runCommand(['doctor'], {
    cwd,
    env: environment('postgres://ada:hunter-seven@127.0.0.1:1/kindred'),
  });
  t.is(away.code, 1);
  t.regex(away.stdout, /^WRONG +database: the database does not answer \(ECONNREFUSED\)$/m);
  t.false(`${away.stdout}${away.stderr}`.includes('hunter-seven'));
});

test('each invalid setting is a finding', async (t) => {
  const { code, stdout } = await runCommand(['doctor', '--json'], {
    env: environment('mysql://x', { PORT: 'http' }),
  });
  t.is(code, 1);
  const { is_well, findings: found } = JSON.parse(stdout);
  t.false(is_well);
  t.deepEqual(
    found.map((one: Finding) => [one.check, one.state, one.text.split(':')[0]]),
    [
      ['settings', 'wrong', 'PORT'],
      ['settings', 'wrong', 'DATABASE_URL'],
    ],
  );
});

testOnStores(
  'missing and old signing keys are reported, and keys under an older or a lost secret',
  async (t, store) => {
    await removeKeys(store.db);
    t.is(states(await findings(store))['signing keys'], 'wrong', 'none');
    await loadKeys(store.db, ['ES256']);
    await loadKeys(store.db);
    t.is((await findings(store)).find((one) => one.check === 'signing keys')?.state, 'good');
    const older = states(await findings(store, createKeyring([otherSecret, secret])));
    t.is(older.secrets, 'note');
    t.is(states(await findings(store, createKeyring([otherSecret]))).secrets, 'wrong');
    await store
      .db('signing_keys')
      .where({ status: 'current' })
      .update({ current_at: after(new Date(), -100 * 86_400) });
    const [old] = (await findings(store)).filter((one) => one.check === 'signing keys');
    t.deepEqual(
      [old?.state, old?.text],
      ['wrong', 'the current key has signed for 100 days, the next key is not ready yet'],
    );
    await store.db('signing_keys').where({ status: 'upcoming' }).delete();
    t.is(states(await findings(store))['signing keys'], 'note');
  },
);

testOnStores('a sweep that does not run is reported', async (t, store) => {
  await loadKeys(store.db);
  await openTestSession(store.db, { absolute_ttl: 60 }, after(new Date(), -8 * 86_400));
  t.is(states(await findings(store)).sweep, 'good');
  await store.db('sessions').update({ absolute_expires_at: after(new Date(), -10 * 86_400) });
  t.is(states(await findings(store)).sweep, 'wrong');
});

testOnStores('a newer database and a skewed clock are reported', async (t, store) => {
  await loadKeys(store.db);
  await store
    .db('knex_migrations')
    .insert({ name: '999_of_tomorrow.ts', batch: 9, migration_time: new Date() });
  t.is(states(await findings(store)).migrations, 'note');
  if (store.name === 'sqlite') return;
  // A schema earlier in the search path can define its own now().
  await store.db.raw(
    "create schema skewed; create function skewed.now() returns timestamptz language sql as $$ select pg_catalog.now() + interval '1 hour' $$",
  );
  await store.db.raw(
    `alter database ${new URL(store.url).pathname.slice(1)} set search_path = skewed, pg_catalog, public`,
  );
  const { stdout, code } = await kindred({ databaseUrl: store.url }, ['doctor']);
  t.is(code, 1);
  t.regex(
    stdout,
    /^WRONG +clock: the clocks of the database and of this machine differ by (3600|3599\.\d|3600\.\d) s$/m,
  );
});

testOnStores('the growth of a month follows from the last day', async (t, store) => {
  await loadKeys(store.db);
  const user = await makeUser(store.db);
  for (let i = 0; i < 5; i += 1) await openTestSession(store.db, { user });
  await openTestSession(store.db, { user }, after(new Date(), -2 * 86_400));
  const found = (await findings(store)).find((one) => one.check === 'a month from now');
  t.like(found?.data, { sessions: 150, events: 150, events_kept: 2_000 });
});

testOnStores(
  'after a restore every session can be ended, only with --yes, and later logins are kept',
  async (t, store) => {
    const server = await startTestServer(t, store);
    const before = await Promise.all([signIn(server), signIn(server), signIn(server)]);
    await saveRecord(store.db, keyring, {
      model: 'Session',
      id: 'a browser',
      payload: { uid: 'u' },
      ttl: 3_600,
    });
    assertRefusedCommand(
      t,
      await kindred(server, ['doctor', '--end-all-sessions']),
      /would end 3 live sessions.*--yes/,
    );
    t.is((await store.db('sessions').whereNotNull('ended_at')).length, 0);
    t.deepEqual(await kindredJson(server, ['doctor', '--end-all-sessions', '--yes']), { sessions_ended: 3 });
    for (const { client, tokens } of before) {
      t.false(await isActive(server, tokens.access_token));
      t.like((await refresh(server, client, tokens.refresh_token)).body, {
        error: 'invalid_grant',
        reason: 'session_ended',
      });
    }
    t.deepEqual(await store.db('oidc_models'), [], 'no cookie logs a user in again');
    const events = await store.db('audit_events').where({ type: 'session_ended' });
    t.deepEqual(
      events.map(({ reason, actor }) => [reason, actor]),
      Array(3).fill(['ended_by_admin', 'admin']),
    );
    const later = await signIn(server);
    t.true(await isActive(server, later.tokens.access_token));
  },
);

test('the doctor reports a warning about the settings as a note', async (t) => {
  const env = {
    ...environment('sqlite:./none.sqlite'),
    NODE_ENV: 'production',
    RECOVERY: 'off',
    SIGN_UP: 'off',
    RATE_LIMITS: 'memory',
    ISSUER: 'https://id.example.test',
    TRUST_PROXY: 'off',
  };
  const { stdout } = await runCommand(['doctor'], { env });
  t.regex(stdout, /^note +settings: TRUST_PROXY: is off behind an https issuer/m);
});
