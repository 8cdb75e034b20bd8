// Nodes that are killed with -9 under load: every answered change holds, and no app is logged out.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { contradictions, type Endings, summary } from '../helpers/app_history.ts';
import { type App, type Apps, makeApps, startApps } from '../helpers/apps.ts';
import { makeClient } from '../helpers/builders.ts';
import { granted, send } from '../helpers/client.ts';
import { type Fleet, type FleetNode, startFleet } from '../helpers/fleet.ts';
import { api, refresh, signIn, tokensOf } from '../helpers/oauth.ts';
import { giveTime } from '../helpers/until.ts';

// Longer with SOAK (`npm run test:soak`).
const isLong = process.env.SOAK !== undefined;
const kills = isLong ? 10 : 3;
const count = 200;
// The pause of one app. Together the apps send some 25 requests a second, which even a busy machine can answer.
const pause = isLong ? 2_000 : 8_000;

let fleet: Fleet;
test.before(async () => {
  fleet = await startFleet();
});
test.after.always(async () => await fleet?.stop());

/** Kills nodes at random, one after the other, each while it has requests, and restarts them. */
async function killAtRandom({ nodes }: Fleet, apps: Apps, each: () => Promise<void>): Promise<void> {
  for (let i = 0; i < kills; i += 1) {
    await apps.reach(count / 4);
    const victim = nodes[Math.floor(Math.random() * nodes.length)] as FleetNode;
    for (let waits = 0; apps.inFlight(victim) < 2 && waits < 500; waits += 1) await sleep(2);
    await victim.kill();
    await each();
    await victim.restart();
  }
  await apps.reach(count / 4);
}

/** Ends a session from its own app; repeats the request until a node answers it. */
async function end({ nodes }: Fleet, app: App, ended: Endings, i: number): Promise<void> {
  const begun = performance.now();
  for (let tries = 0; ; tries += 1) {
    const { url } = nodes[(i + tries) % nodes.length] as FleetNode;
    const asked =
      i % 2 === 0
        ? send(`${url}/api/sessions/${app.session_id}`, { method: 'DELETE', token: app.access_token ?? '' })
        : send(`${url}/revoke`, { form: { client_id: app.client.client_id, token: app.refresh_token } });
    const { status } = await asked.catch(() => ({ status: 0 }));
    // The token of an ended session is refused: an earlier try, whose answer was lost, had ended it.
    if (status === 204 || status === 200 || (status === 401 && tries > 0)) break;
    await sleep(50);
  }
  ended.set(app.session_id, { begun, answered: performance.now() });
}

test.serial('nodes that are killed cost no session, and ended sessions stay ended', async (t) => {
  giveTime(t, isLong ? 3 : 1);
  const client = await makeClient(fleet.db, { refresh_token_retry_window: 600 });
  const apps = startApps(fleet, await makeApps(fleet, client, count), pause);
  t.teardown(apps.abandon);
  const ended: Endings = new Map();
  const chosen = new Set<App>();
  await killAtRandom(fleet, apps, async () => {
    const leaving = apps.all.filter((app) => app.access_token !== null && !chosen.has(app)).slice(0, 6);
    for (const app of leaving) chosen.add(app);
    await Promise.all(leaving.map((app, i) => end(fleet, app, ended, i)));
  });
  await apps.settle();
  t.log(
    `${fleet.nodes.map(({ name, starts }) => `${name}: ${starts} starts`).join(', ')}; ${summary(apps.history)}`,
  );
  t.deepEqual(await contradictions(fleet.db, apps.history, ended), []);
  t.is(ended.size, kills * 6);
  // In the end every app's token is valid on every node, or on none.
  const gate = createConcurrencyGate(8);
  const check = async (app: App, i: number) => {
    const server = fleet.at(fleet.nodes[i % 3] as FleetNode);
    const answer = await refresh(server, client, app.refresh_token);
    if (ended.has(app.session_id)) t.deepEqual([answer.status, answer.body.reason], [400, 'session_ended']);
    else tokensOf(answer);
  };
  await Promise.all(apps.all.map((app, i) => gate(() => check(app, i))));
});

test.serial(
  'without a retry window a crash costs the sessions whose answers were lost, and their history says why',
  async (t) => {
    giveTime(t, isLong ? 3 : 1);
    const client = await makeClient(fleet.db, { refresh_token_retry_window: 0 });
    const apps = startApps(fleet, await makeApps(fleet, client, count), pause);
    t.teardown(apps.abandon);
    await killAtRandom(fleet, apps, async () => {});
    await apps.settle();
    const lost = apps.all.filter((app) => app.over !== null);
    t.log(`lost ${lost.length} of ${count}; ${summary(apps.history)}`);
    const ended = new Map(
      lost.map((app) => [app.session_id, { begun: 0, answered: Number.POSITIVE_INFINITY }]),
    );
    t.deepEqual(await contradictions(fleet.db, apps.history, ended), []);
    const server = fleet.at(fleet.nodes[0] as FleetNode);
    for (const app of lost) {
      const attempts = apps.history.filter((one) => one.session_id === app.session_id);
      const last = attempts.at(-1);
      const swallowed = attempts.find((one) => one.presented === last?.presented && one.status === null);
      t.truthy(swallowed, `it had asked before with the same token: ${JSON.stringify(attempts.slice(-4))}`);
      t.is(app.over, 'token_reused');
      const user = { id: app.user_id, username: app.username };
      const reader = await signIn(server, { user: user as never, client, form: { scope: 'openid account' } });
      const story = granted(await api(server, `GET /sessions/${app.session_id}`, reader.tokens.access_token));
      t.deepEqual([story.ended_reason, story.ended_by], ['reuse_detected', 'system']);
    }
    const dead = await fleet
      .db<Session>('sessions')
      .where({ client_id: client.client_id })
      .whereNotNull('ended_at');
    t.deepEqual(dead.map(({ id }) => id).toSorted(), lost.map((app) => app.session_id).toSorted());
  },
);
