import { recordEvents } from '../../../src/core/audit/audit.ts';
import type { NewEvent } from '../../../src/core/audit/audit_events.ts';
import { countStatistics } from '../../../src/core/statistics/count_statistics.ts';
import { readStats, type Stats } from '../../../src/core/statistics/stats.ts';
import { enterAsAdmin } from '../../helpers/admin.ts';
import { after, makeClient, makeUser, openTestSession } from '../../helpers/builders.ts';
import { granted } from '../../helpers/client.ts';
import { kindredJson } from '../../helpers/commands.ts';
import { api, login, refresh, signIn } from '../../helpers/oauth.ts';
import { startTestServer } from '../../helpers/server.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const now = new Date('2030-06-01T12:34:56.000Z');
const hour = 3_600;

async function countAndRead({ db, url }: Store, top?: number): Promise<Stats> {
  await countStatistics(db, { url, at: now });
  return await readStats(db, { at: now, ...(top ? { top } : {}) });
}

testOnStores(
  'live sessions are counted in total, by client and by user, in descending order',
  async (t, store) => {
    const { db } = store;
    const [ada, bob] = [await makeUser(db), await makeUser(db)];
    const [app, site] = [await makeClient(db), await makeClient(db)];
    for (const client of [app, app, site]) await openTestSession(db, { user: ada, client }, after(now, -60));
    await openTestSession(db, { user: bob, client: app }, after(now, -60));
    await openTestSession(db, { user: bob, client: site, idle_ttl: 60 }, after(now, -60));
    const ended = await openTestSession(db, { user: bob, client: app }, after(now, -60));
    await db('sessions').where({ id: ended.id }).update({ ended_at: now });
    t.deepEqual((await countAndRead(store)).live_sessions, {
      counted_at: now,
      total: 4,
      by_client: [
        { client_id: app.client_id, sessions: 3 },
        { client_id: site.client_id, sessions: 1 },
      ],
      by_user: [
        { user_id: ada.id, username: ada.username, sessions: 3 },
        { user_id: bob.id, username: bob.username, sessions: 1 },
      ],
    });
    const { live_sessions } = await readStats(db, { at: now, top: 1 });
    t.deepEqual(
      [live_sessions.total, live_sessions.by_client.length, live_sessions.by_user.length],
      [4, 1, 1],
    );
  },
);

testOnStores(
  'the last day is the current hour and the 23 before it, exact to the millisecond',
  async (t, store) => {
    const record = async (type: NewEvent['type'], at: Date, reason?: string) =>
      await recordEvents(store.db, [{ type, reason: reason ?? null }], at);
    const start = new Date('2030-05-31T13:00:00.000Z');
    await record('refresh_token_rotated', after(start, -0.001));
    await record('refresh_token_rotated', start);
    await record('refresh_token_rotated', after(start, hour - 0.001));
    await record('refresh_token_rotated', after(start, hour));
    await record('refresh_token_rotated', now);
    for (let i = 0; i < 3; i += 1) await record('refresh_token_retried', now);
    await record('refresh_token_reuse_observed', now);
    await record('refresh_token_reused', start);
    await record('refresh_token_reused', after(start, -0.001));
    await record('session_opened', now);
    for (const reason of ['wrong_credentials', 'wrong_credentials', 'account_banned'])
      await record('login_failed', now, reason);
    await record('login_failed', after(start, -1), 'wrong_credentials');

    const { last_day, at } = await countAndRead(store);
    t.deepEqual(at, now);
    const { refreshes_per_hour, ...rest } = last_day;
    t.deepEqual(rest, {
      counted_at: now,
      logins: 1,
      failed_logins: { wrong_credentials: 2, account_banned: 1 },
      refresh_tokens: { rotated: 4, retried: 2, reused: 1, observed: 1 },
    });
    t.is(refreshes_per_hour.length, 24);
    t.deepEqual(
      refreshes_per_hour.filter((one) => one.refreshes > 0),
      [
        { hour: start, refreshes: 2 },
        { hour: after(start, hour), refreshes: 1 },
        { hour: after(start, 23 * hour), refreshes: 1 },
      ],
    );
  },
);

testOnStores('a count removes the hours that are over for a day', async (t, store) => {
  const { db, url } = store;
  await countStatistics(db, { url, at: after(now, -3 * hour) });
  t.is((await countAndRead(store)).last_day.refreshes_per_hour.length, 24);
  t.is((await db('statistics').select('name')).length, 25);
});

testOnStores('an hour is counted until ten minutes after its end, and then no more', async (t, store) => {
  const { db, url } = store;
  const record = async (at: Date) => await recordEvents(db, [{ type: 'session_opened' }], at);
  const countAt = async (at: string) => {
    const done = await countStatistics(db, { url, at: new Date(at) });
    const { last_day } = await readStats(db, { at: new Date(at) });
    return [last_day.logins, 'hours' in done ? done.hours : null];
  };
  await record(new Date('2030-06-01T11:59:59.000Z'));
  t.deepEqual(await countAt('2030-06-01T12:00:00.000Z'), [1, 24]);
  await record(new Date('2030-06-01T11:59:59.500Z'));
  t.deepEqual(await countAt('2030-06-01T12:05:00.000Z'), [2, 2], 'written late');
  t.deepEqual(await countAt('2030-06-01T12:10:00.000Z'), [2, 2]);
  t.deepEqual(await countAt('2030-06-01T12:15:00.000Z'), [2, 1]);
  t.deepEqual(await countAt('2030-06-01T15:00:00.000Z'), [2, 4], 'after a pause of the jobs');
});

testOnStores('the API and the command return the same figures, as they were counted', async (t, store) => {
  const server = await startTestServer(t, store);
  const admin = await enterAsAdmin(server);
  const early = await api(server, 'GET /admin/stats', admin.token);
  t.deepEqual([early.status, early.body.error], [503, 'temporarily_unavailable']);
  t.regex(String(early.body.error_description), /not been counted yet/);
  const { client, tokens, user } = await signIn(server);
  await refresh(server, client, tokens.refresh_token);
  await login(server, user, client, { password: 'wrong' });
  await until(async () => (await store.db('hourly_rotations')).length > 0, 'the rotation is written');
  const { at: _, ...printed } = await kindredJson(server, ['stats']);
  t.like(printed, {
    live_sessions: { total: 2 },
    last_day: {
      logins: 2,
      failed_logins: { wrong_credentials: 1 },
      refresh_tokens: { rotated: 1, retried: 0, reused: 0, observed: 0 },
    },
  });
  await signIn(server);
  const { at: __, ...answered } = granted(await api(server, 'GET /admin/stats', admin.token));
  t.deepEqual(answered, printed, 'the new session is counted at the next count');
  t.is((await api(server, 'GET /admin/stats?top=0', admin.token)).status, 400);
  t.is((await api(server, 'GET /admin/stats')).status, 401);
  t.is((await api(server, 'GET /admin/stats', tokens.access_token)).status, 403);
});
