// A lossy failover: the database comes back in an earlier state. Every session goes on, because a verified token of a later
// generation than the stored one advances the row, and reuse is detected as before.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { contradictions, summary } from '../helpers/app_history.ts';
import { type App, makeApps, startApps } from '../helpers/apps.ts';
import { backUp } from '../helpers/base_backup.ts';
import { makeClient } from '../helpers/builders.ts';
import { type Fleet, type FleetNode, startFleet } from '../helpers/fleet.ts';
import { refresh, tokensOf } from '../helpers/oauth.ts';
import { giveTime, until } from '../helpers/until.ts';

const run = promisify(execFile);
const isLong = process.env.SOAK !== undefined;
const count = 200;
const pause = isLong ? 2_000 : 8_000;

let fleet: Fleet;
test.before(async () => {
  fleet = await startFleet();
});
test.after.always(async () => await fleet?.stop());

test.serial(
  'after a failover that lost its last seconds every session goes on, and reuse is caught',
  async (t) => {
    giveTime(t, isLong ? 3 : 1);
    const { db, postgres, nodes } = fleet;
    const client = await makeClient(db, { refresh_token_retry_window: 600 });
    const apps = startApps(fleet, await makeApps(fleet, client, count), pause);
    t.teardown(apps.abandon);
    await apps.reach(count / 4);
    const backup = `${postgres.directory}.backup`;
    await backUp(postgres, backup);
    const read = async () =>
      new Map(
        (await db<Session>('sessions').select('id', 'generation')).map((row) => [row.id, row.generation]),
      );
    // The backup restores at most this state; all later rotations are lost.
    const then = await read();
    if (isLong) await sleep(30_000);
    await apps.reach(count);
    const held = new Map(apps.all.map((app) => [app.session_id, app.refresh_token]));

    const before = performance.now();
    await postgres.crash();
    await run('mv', [postgres.directory, `${postgres.directory}.lost`]);
    await run('mv', [backup, postgres.directory]);
    await postgres.restart();
    const since = performance.now();
    const back = await read();

    // The rows of apps that have sent no request since are still behind.
    const isBack = ({ session_id }: App) =>
      apps.history.some((one) => one.session_id === session_id && one.status === 200 && one.begun > since);
    await until(() => apps.all.every((app) => app.over !== null || isBack(app)), 'all have asked again');
    await apps.settle();
    // A fast app may have advanced its row again before it was read.
    const asked = new Set(apps.history.filter((one) => one.ended > before).map((one) => one.session_id));
    const ahead = [...back].filter(([id, generation]) => generation > (then.get(id) ?? 0) && !asked.has(id));
    t.deepEqual(ahead, [], 'the database was that of the backup');
    const last = apps.history.map((one) => one.answered ?? 0);
    t.log(
      `${summary(apps.history)}; generations up to ${Math.max(...last)}, stored after it ${Math.max(...back.values())}`,
    );
    t.deepEqual(await contradictions(db, apps.history, new Map()), []);
    t.true(nodes.every((node) => node.isAlive() && node.starts === 1));

    // Every app's token is valid. The token from before the failover is older by now: it is reuse and ends its session.
    const gate = createConcurrencyGate(8);
    const check = async (app: App, i: number) => {
      const server = fleet.at(nodes[i % nodes.length] as FleetNode);
      let { refresh_token } = app;
      for (let more = 0; more < 2; more += 1)
        refresh_token = tokensOf(await refresh(server, client, refresh_token)).refresh_token;
      const reused = await refresh(server, client, held.get(app.session_id) ?? '');
      t.deepEqual([reused.status, reused.body.reason], [400, 'token_reused'], app.session_id);
      t.is((await refresh(server, client, refresh_token)).body.reason, 'session_ended');
    };
    await Promise.all(apps.all.slice(0, 40).map((app, i) => gate(() => check(app, i))));
  },
);
