import { recordEvents } from '../../../src/core/audit/audit.ts';
import type { NewEvent } from '../../../src/core/audit/audit_events.ts';
import { readStats } from '../../../src/core/operations/stats.ts';
import { enterAsAdmin } from '../../helpers/admin.ts';
import { after, makeClient, makeUser, openTestSession } from '../../helpers/builders.ts';
import { granted } from '../../helpers/client.ts';
import { kindredJson } from '../../helpers/commands.ts';
import { api, login, refresh, signIn } from '../../helpers/oauth.ts';
import { startTestServer } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';

const now = new Date('2030-06-01T12:34:56.000Z');
const hour = 3_600;

testOnStores(
  'live sessions are counted in total, by client and by user, in descending order',
  async (t, { db }) => {
    const [ada, bob] = [await makeUser(db), await makeUser(db)];
    const [app, site] = [await makeClient(db), await makeClient(db)];
    for (const client of [app, app, site]) await openTestSession(db, { user: ada, client }, after(now, -60));
    await openTestSession(db, { user: bob, client: app }, after(now, -60));
    await openTestSession(db, { user: bob, client: site, idle_ttl: 60 }, after(now, -60));
    const ended = await openTestSession(db, { user: bob, client: app }, after(now, -60));
    await db('sessions').where({ id: ended.id }).update({ ended_at: now });
    t.deepEqual((await readStats(db, { at: now })).live_sessions, {
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
  async (t, { db }) => {
    const record = async (type: NewEvent['type'], at: Date, reason?: string) =>
      await recordEvents(db, [{ type, reason: reason ?? null }], at);
    const start = new Date('2030-05-31T13:00:00.000Z');
    await record('refresh_token_rotated', after(start, -0.001));
    await record('refresh_token_rotated', start);
    await record('refresh_token_rotated', after(start, hour - 0.001));
    await record('refresh_token_rotated', after(start, hour));
    await record('refresh_token_rotated', now);
    for (let i = 0; i < 3; i += 1) await record('refresh_token_retried', now);
    await record('refresh_token_reuse_observed', now);
    await record('refresh_token_reused', now);
    await record('session_opened', now);
    for (const reason of ['wrong_credentials', 'wrong_credentials', 'account_banned'])
      await record('login_failed', now, reason);
    await record('login_failed', after(start, -1), 'wrong_credentials');

    const { last_day, at } = await readStats(db, { at: now });
    t.deepEqual(at, now);
    const { refreshes_per_hour, ...rest } = last_day;
    t.deepEqual(rest, {
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

testOnStores(
  'the API and the command return the same figures, including rotations of the current second',
  async (t, store) => {
    const server = await startTestServer(t, store);
    const admin = await enterAsAdmin(server);
    const { client, tokens, user } = await signIn(server);
    await refresh(server, client, tokens.refresh_token);
    await login(server, user, client, { password: 'wrong' });
    const stats = granted(await api(server, 'GET /admin/stats', admin.token));
    t.like(stats, {
      live_sessions: { total: 2 },
      last_day: {
        logins: 2,
        failed_logins: { wrong_credentials: 1 },
        refresh_tokens: { rotated: 1, retried: 0, reused: 0, observed: 0 },
      },
    });
    const { at: _, ...printed } = await kindredJson(server, ['stats']);
    const { at: __, ...answered } = granted(await api(server, 'GET /admin/stats', admin.token));
    t.deepEqual(printed, answered);
    t.is((await api(server, 'GET /admin/stats?top=0', admin.token)).status, 400);
    t.is((await api(server, 'GET /admin/stats')).status, 401);
    t.is((await api(server, 'GET /admin/stats', tokens.access_token)).status, 403);
  },
);
