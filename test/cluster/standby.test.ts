// Two real servers of Postgres, streaming and synchronous: while the standby is away refreshes go on, and after a failover to it
// no acknowledged ending is undone and every session lives on. It measures time, so it runs with SOAK=1 alone;
// test/cluster/standby_away.test.ts plays the absence of a standby in every run.
import { randomInt } from 'node:crypto';
import test from 'ava';
import { openDatabase } from '../../src/core/store/db.ts';
import { migrate } from '../../src/core/store/migrate.ts';
import { makeStandby, type RunningStandby } from '../helpers/base_backup.ts';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused, send } from '../helpers/client.ts';
import { login, refresh, revoke, type SignedIn, signIn, tokensOf } from '../helpers/oauth.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { registerGateway, runServerProcess, type TestServer } from '../helpers/server.ts';
import { giveTime, until } from '../helpers/until.ts';

const soak = process.env.SOAK === undefined ? test.skip : test;
const settings = { ISSUER: 'https://standby.example.test', LOG_LEVEL: 'silent' };
const away = { status: 503, error: 'temporarily_unavailable' };

/** Milliseconds within which a write is refused, the bound of docs/operations.md. */
const bound = 5_000;

async function serve(url: string): Promise<TestServer & { stop: () => Promise<void> }> {
  const db = openDatabase(url);
  const running = await runServerProcess(url, settings);
  const server = await registerGateway({ name: 'postgres', url, db }, running);
  return {
    ...server,
    async stop() {
      await running.kill();
      await db.destroy();
    },
  };
}

async function signInMany(server: TestServer, count: number): Promise<SignedIn[]> {
  const client = await makeClient(server.db);
  const signedIn: SignedIn[] = [];
  for (let one = 0; one < count; one += 1) signedIn.push(await signIn(server, { client }));
  return signedIn;
}

/** Refreshes every session; the longest time that one took, in milliseconds. */
async function refreshAll(server: TestServer, sessions: SignedIn[]): Promise<number> {
  let longest = 0;
  for (const { client, tokens } of sessions) {
    const begun = performance.now();
    const answer = await refresh(server, client, tokens.refresh_token);
    longest = Math.max(longest, performance.now() - begun);
    tokens.refresh_token = tokensOf(answer).refresh_token;
  }
  return longest;
}

const end = (server: TestServer, { tokens, client }: SignedIn) =>
  revoke(server, tokens.refresh_token, client);

async function isFollowed(server: TestServer, standby: RunningStandby): Promise<void> {
  standby.start();
  const inStep = () => server.db('pg_stat_replication').where({ sync_state: 'sync' }).first();
  await until(inStep, 'the standby is in step');
  const isPresent = async () => (await send(`${server.url}/readyz`)).body.standby === 'present';
  await until(isPresent, 'the node has noticed');
}

soak('without its standby refreshes go on; a failover to it undoes no ending', async (t) => {
  giveTime(t, 3);
  const primary = await startPostgres({ changes: { synchronous_commit: 'on', full_page_writes: 'on' } });
  t.teardown(primary.stop);
  await migrate(primary.url);
  const standby = await makeStandby(primary, randomInt(20_000, 30_000));
  t.teardown(standby.stop);
  const server = await serve(primary.url);
  t.teardown(server.stop);
  const sessions = await signInMany(server, 20);
  const ending = await signInMany(server, 16);
  await server.db.raw("alter system set synchronous_standby_names = 'standby'");
  await server.db.raw('select pg_reload_conf()');
  await isFollowed(server, standby);
  for (const one of ending.slice(0, 8)) t.is((await end(server, one)).status, 200);
  const usual = await refreshAll(server, sessions);

  await standby.stop();
  const [first] = sessions as [SignedIn];
  const begun = performance.now();
  const refused = await login(server, first.user, first.client);
  const took = performance.now() - begun;
  assertRefused(t, refused, away);
  t.true(took <= bound, `${took} ms until the first login was refused`);
  const longest = await refreshAll(server, sessions);
  for (const one of ending.slice(8)) assertRefused(t, await end(server, one), away);
  t.log(
    `refreshes: ${usual} ms at most with the standby, ${longest} ms without; login refused in ${took} ms`,
  );
  t.like((await send(`${server.url}/readyz`)).body, { status: 'ready', standby: 'away' });

  await isFollowed(server, standby);
  for (const one of ending.slice(8)) t.is((await end(server, one)).status, 200, 'repeated');
  t.is((await login(server, first.user, first.client)).status, 200);

  // Rotations that the standby never gets.
  await standby.stop();
  await refreshAll(server, sessions);
  await primary.crash();
  standby.start();
  await until(
    () =>
      standby
        .promote()
        .then(() => true)
        .catch(() => false),
    'the standby is the primary',
  );
  const promoted = await serve(standby.url);
  t.teardown(promoted.stop);
  await promoted.db.raw("alter system set synchronous_standby_names = ''");
  await promoted.db.raw('select pg_reload_conf()');
  await refreshAll(promoted, sessions);
  t.log(`${sessions.length} of ${sessions.length} sessions live on`);
  for (const { client, tokens } of ending) {
    const answer = await refresh(promoted, client, tokens.refresh_token);
    assertRefused(t, answer, { status: 400, error: 'invalid_grant', reason: 'session_ended' });
  }
});
