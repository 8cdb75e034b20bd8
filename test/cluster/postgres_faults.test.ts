// Postgres crashes, drops its connections, has none left or has a full disk. Apps are told to retry, no change is half
// done, and every node has recovered within five seconds after the fault, without a restart.

import { existsSync } from 'node:fs';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { contradictions, summary } from '../helpers/app_history.ts';
import { type Apps, makeApps, startApps } from '../helpers/apps.ts';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { type Fleet, type FleetNode, readiness, startFleet } from '../helpers/fleet.ts';
import { login, refresh, type SignedIn, signIn, tokensOf } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import { giveTime, until } from '../helpers/until.ts';

const isLong = process.env.SOAK !== undefined;
const rounds = isLong ? 5 : 1;
const count = 200;
const pause = isLong ? 2_000 : 8_000;
const away = { status: 503, error: 'temporarily_unavailable' };

let fleet: Fleet;
test.before(async () => {
  // The trail has each rotation once, however often a write is repeated.
  fleet = await startFleet({ AUDIT_REFRESHES: 'all' });
});
test.after.always(async () => await fleet?.stop());

/** Runs apps through `fault` and asserts that none of them lost its session. */
async function runThrough(
  t: ExecutionContext,
  fault: (apps: Apps, probe: SignedIn) => Promise<void>,
): Promise<void> {
  giveTime(t, isLong ? 3 : 1);
  const client = await makeClient(fleet.db, { refresh_token_retry_window: 600 });
  const probe = await signIn(fleet.at(fleet.nodes[0] as FleetNode), { client });
  const apps = startApps(fleet, await makeApps(fleet, client, count), pause);
  t.teardown(apps.abandon);
  for (let round = 0; round < rounds; round += 1) {
    await apps.reach(count / 5);
    const usual = await untilRecovered(probe);
    await fault(apps, probe);
    const { took, heard } = await untilRecovered(probe);
    // The time that the machine needs without a fault is no part of the recovery.
    const most = isLong ? 5_000 + 2 * usual.took : 20_000 + 10 * usual.took;
    t.true(took < most, heard.join('\n'));
  }
  await apps.reach(count / 5);
  await apps.settle();
  t.log(summary(apps.history));
  t.deepEqual(await contradictions(fleet.db, apps.history, new Map()), []);
  t.true(
    fleet.nodes.every((node) => node.isAlive() && node.starts === 1),
    'no node was restarted',
  );
}

/** Milliseconds until every node is ready and refreshes, and the answers until then. */
async function untilRecovered({ client, tokens }: SignedIn): Promise<{ took: number; heard: string[] }> {
  const begun = performance.now();
  const heard: string[] = [];
  const since = () => Math.round(performance.now() - begun);
  for (const node of fleet.nodes) {
    for (;;) {
      const answer = await refresh(fleet.at(node), client, tokens.refresh_token);
      if (answer.status === 200) tokens.refresh_token = tokensOf(answer).refresh_token;
      else if (answer.status !== 503) throw new Error(`${node.name}: ${answer.status} ${answer.text}`);
      const ready = await readiness(node);
      heard.push(`${node.name} at ${since()}: ${answer.status}, readiness ${ready}`);
      if (answer.status === 200 && ready === 200) break;
      await sleep(50);
    }
  }
  return { took: since(), heard };
}

/** Waits until each node reports that it is not ready. */
async function assertNotReady(t: ExecutionContext): Promise<void> {
  for (const node of fleet.nodes) {
    await t.notThrowsAsync(until(async () => (await readiness(node)) === 503, `${node.name} is not ready`));
  }
}

test.serial('a Postgres that crashes and recovers loses nothing that was answered', async (t) => {
  await runThrough(t, async (_apps, probe) => {
    await fleet.postgres.crash();
    for (const node of fleet.nodes) {
      const answer = await refresh(fleet.at(node), probe.client, probe.tokens.refresh_token);
      assertRefused(t, answer, away);
      t.regex(String(answer.headers['retry-after']), /^[1-9]\d*$/);
    }
    await assertNotReady(t);
    await fleet.postgres.restart();
  });
});

test.serial('connections that Postgres cuts cost no more than the requests on them', async (t) => {
  await runThrough(t, async (apps) => {
    for (let i = 0; i < 10; i += 1) {
      await fleet.db.raw(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
      );
      await apps.reach(3);
    }
  });
});

test.serial(
  'while all connections wait for a lock, other requests are answered with 503 and Retry-After',
  async (t) => {
    await runThrough(t, async (apps) => {
      const refused = () => apps.history.filter((one) => one.status === 503).length;
      const before = refused();
      await fleet.db.transaction(async (tx) => {
        await tx.raw('lock table sessions in access exclusive mode');
        await until(() => refused() >= before + 10, 'ten are refused');
        await assertNotReady(t);
      });
    });
  },
);

test.serial('a rotation that the disk has no room for has not happened', async (t) => {
  await runThrough(t, async (apps) => {
    const refused = () => apps.history.filter((one) => one.status === 503).length;
    const before = refused();
    // This simulates the error code only: a rotation writes into the page that it read, and a disk that is really full
    // stops it at the log, which takes Postgres down (the first test).
    await fleet.db.raw(`create or replace function disk_full() returns trigger language plpgsql as $$
      begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`);
    await fleet.db.raw(
      'create trigger disk_full after update on sessions for each row execute function disk_full()',
    );
    await until(() => refused() >= before + 20, 'twenty are refused');
    await fleet.db.raw('drop trigger disk_full on sessions');
  });
});

// The device that is always full. Where it is missing only the simulation above runs without root.
const full = '/dev/full';

/** Replaces the audit trail by a table whose file cannot grow; the error comes from Postgres itself. */
async function fillDiskOfTrail(work: () => Promise<void>): Promise<void> {
  const { db, postgres } = fleet;
  await db.raw('create table trail_on_full_disk (like audit_events including all)');
  const { path } = (await db.raw("select pg_relation_filepath('trail_on_full_disk') as path")).rows[0];
  const file = join(postgres.directory, path);
  await rm(file);
  await symlink(full, file);
  const swap = async (from: string, to: string) =>
    await db.transaction(async (tx) => {
      await tx.raw(`alter table audit_events rename to ${to}`);
      await tx.raw(`alter table ${from} rename to audit_events`);
    });
  await swap('trail_on_full_disk', 'trail_kept');
  try {
    await work();
  } finally {
    await swap('trail_kept', 'trail_on_full_disk');
    await db.raw('drop table trail_on_full_disk');
  }
}

if (existsSync(full)) {
  test.serial('while the audit trail cannot grow, logins and endings fail and refreshes go on', async (t) => {
    await runThrough(t, async (apps, probe) => {
      const server = fleet.at(fleet.nodes[0] as FleetNode);
      const strict = await makeClient(fleet.db);
      const stolen = await signIn(server, { client: strict });
      const next = tokensOf(await refresh(server, strict, stolen.tokens.refresh_token));
      await fillDiskOfTrail(async () => {
        assertRefused(t, await login(server, probe.user, probe.client), away);
        // Reuse changes the session, the event and the user's token_version together or not at all.
        assertRefused(t, await refresh(server, strict, stolen.tokens.refresh_token), away);
        const row = await rowOf(fleet.db('sessions').where({ id: stolen.tokens.session_id }).first());
        const user = await rowOf(fleet.db('users').where({ id: stolen.user.id }).first());
        t.deepEqual([row.ended_at, row.generation, user.token_version], [null, 1, 0]);
        await apps.reach(20);
      });
      const caught = await refresh(server, strict, stolen.tokens.refresh_token);
      t.is(caught.body.reason, 'token_reused', 'the next try is treated as reuse');
      t.is((await refresh(server, strict, next.refresh_token)).body.reason, 'session_ended');
    });
    const late = async () =>
      (await fleet.db('audit_events').where({ type: 'refresh_token_rotated' }).count({ n: '*' }))[0]?.n;
    const rotated = (await fleet.db('sessions').sum({ n: 'generation' }))[0]?.n;
    const all = until(async () => (await late()) === rotated, `${rotated} rotations in the trail`);
    await t.notThrowsAsync(all, 'every rotation is in the trail, including those that had to wait');
  });
}
