// A Postgres that asks for a synchronous standby and has none: rotations and introspection go on, what opens or ends something
// is refused in time, and all of it works again without a restart. test/cluster/standby.test.ts plays it with a real standby.
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { openDatabase } from '../../src/core/store/db.ts';
import { migrate } from '../../src/core/store/migrate.ts';
import { isStandbyAway, standbyOf } from '../../src/core/store/standby.ts';
import { isPrimarySlow } from '../../src/core/store/standby_probe.ts';
import { openStandbyWatch } from '../../src/core/store/standby_watch.ts';
import { createLog } from '../../src/lib/log.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../helpers/client.ts';
import { openDatabaseProxy } from '../helpers/database_proxy.ts';
import { api, isActive, login, refresh, revoke, signIn, tokensOf } from '../helpers/oauth.ts';
import { type RunningPostgres, startPostgres } from '../helpers/postgres.ts';
import { startTestServer, type TestServer } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';

const settings = { ISSUER: 'https://standby.example.test' };
const away = { status: 503, error: 'temporarily_unavailable' };

let postgres: RunningPostgres;
test.before(async () => {
  postgres = await startPostgres({ changes: { synchronous_commit: 'on' } });
  await migrate(postgres.url);
  await askForStandby('nobody');
});
test.after.always(async () => await postgres?.stop());

/** For what the tests themselves write, and for a server that prepares a state. */
const locally = (url: string) => `${url}?options=-c%20synchronous_commit%3Dlocal`;

async function startBoth(t: ExecutionContext): Promise<{ before: TestServer; server: TestServer }> {
  const db = openDatabase(locally(postgres.url));
  const before = await startTestServer(t, { name: 'postgres', url: locally(postgres.url), db }, settings);
  const server = await startTestServer(t, { name: 'postgres', url: postgres.url, db }, settings);
  t.teardown(() => db.destroy());
  return { before, server };
}

test.serial(
  'without its standby, rotations and introspection go on, and all else is refused in time',
  async (t) => {
    const { before, server } = await startBoth(t);
    const { db } = server;
    const client = await makeClient(db);
    const users = await Promise.all(Array.from({ length: 12 }, () => makeUser(db)));
    const person = await signIn(before, { client });
    const other = await signIn(before, { client });
    let answered = 0;
    // More than there are connections.
    const logins = Promise.all(
      users.map(async (user) => {
        const answer = await login(server, user, client);
        answered += 1;
        return answer;
      }),
    );
    let token = person.tokens.refresh_token;
    let rotations = 0;
    while (answered === 0) {
      const answer = await refresh(server, client, token);
      t.is(answer.status, 200);
      token = tokensOf(answer).refresh_token;
      t.true(await isActive(server, tokensOf(answer).access_token));
      rotations += 1;
    }
    t.true(rotations > 0, 'rotations went on while all logins waited');
    for (const answer of await logins) assertRetryable(t, answer);
    t.like(await readyz(server), { status: 'ready', standby: 'away' });

    assertRetryable(t, await login(server, person.user, client));
    assertRetryable(t, await revoke(server, other.tokens.refresh_token, client));
    assertRetryable(t, await api(server, 'POST /logout', person.tokens.access_token));
    t.is((await refresh(server, client, token)).status, 200, 'nothing has ended');

    await askForStandby('');
    await until(async () => !('standby' in (await readyz(server))), 'no standby is asked for any more');
    t.is((await login(server, person.user, client)).status, 200);
    t.is((await revoke(server, other.tokens.refresh_token, client)).status, 200);
    t.is((await refresh(server, client, other.tokens.refresh_token)).body.error, 'invalid_grant');
    await askForStandby('nobody');
  },
);

test.serial('a rotation that loses against another one waits for no standby', async (t) => {
  const { before, server } = await startBoth(t);
  const { db } = server;
  const client = await makeClient(db, { rotation_profile: 'spa' });
  const { tokens } = await signIn(before, { client });
  const winner = await db.transaction();
  await winner('sessions')
    .where({ client_id: client.client_id })
    .update({ generation: 1, rotated_at: new Date() });
  const answers: Answer[] = [];
  for (let n = 0; n < 3; n += 1)
    void refresh(server, client, tokens.refresh_token).then((answer) => answers.push(answer));
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%update sessions%'";
  await until(async () => (await db.raw(waiting)).rows.length > 0, 'the loser waits for the winner');
  await winner.commit();
  await until(() => answers.length === 3, 'all of them are answered');
  t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]), 'answered again');
});

test.serial('the loss of a standby is noticed although every connection is taken', async (t) => {
  const db = openDatabase(postgres.url, { pool: 1, wait: 1_500 });
  t.teardown(() => db.destroy());
  const timing = { interval: 500, idle: 500, patience: 100 };
  const watch = await openStandbyWatch(db, createLog({ level: 'silent' }), timing);
  t.teardown(() => watch.close());
  const taken = await db.client.acquireConnection();
  t.teardown(() => db.client.releaseConnection(taken));
  await until(() => isStandbyAway(db), 'the standby counts as away');
  t.pass();
});

test.serial('a primary that is slow itself says nothing about its standby', async (t) => {
  const proxy = await openDatabaseProxy(postgres.url);
  t.teardown(proxy.close);
  const db = openDatabase(proxy.url, { wait: 10_000 });
  t.teardown(() => db.destroy());
  t.false(await isPrimarySlow(db, 60_000), 'a commit that waits for no standby is quick');
  proxy.freeze();
  t.true(await isPrimarySlow(db, 100), 'it is not answered either');
  proxy.cut();
  t.false(await isPrimarySlow(db, 60_000), 'without an answer the standby counts as away');
});

test.serial(
  'a transaction that only read and failed leaves the next one on its connection refused',
  async (t) => {
    const db = openDatabase(postgres.url, { pool: 1 });
    t.teardown(() => db.destroy());
    const reading = db.transaction((tx) => tx.raw('select 1 / 0'), { readOnly: true });
    await t.throwsAsync(reading, { message: /division by zero/ });
    const write = async (tx: Knex.Transaction) => {
      await tx.raw("insert into statistics (name, value, counted_at) values ('test', '{}', now())");
      standbyOf(db.client).change('away');
    };
    await t.throwsAsync(db.transaction(write), { name: 'StandbyAwayError' });
  },
);

function assertRetryable(t: ExecutionContext, answer: Answer): void {
  assertRefused(t, answer, away);
  t.regex(answer.headers['retry-after'] ?? '', /^\d+$/);
}

async function readyz(server: TestServer): Promise<Record<string, unknown>> {
  const { status, body } = await send(`${server.url}/readyz`);
  return status === 200 ? body : { status };
}

async function askForStandby(names: string): Promise<void> {
  const db = openDatabase(locally(postgres.url));
  await db.raw(`alter system set synchronous_standby_names = '${names}'`);
  await db.raw('select pg_reload_conf()');
  await db.destroy();
}
