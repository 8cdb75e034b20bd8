import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { listLiveSessions, type SessionCursor } from '../../../src/core/sessions/session_list.ts';
import { after, makeClient, makeUser, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const login = new Date('2030-01-01T00:00:00.250Z');

testOnStores('the list holds live sessions, last used first', async (t, { db }) => {
  const user = await makeUser(db);
  const now = after(login, 1_000);
  const open = (seconds: number, given = {}) =>
    openTestSession(db, { user, ...given }, after(login, seconds));
  const [oldest, middle, newest] = [await open(0), await open(500), await open(900)];
  await open(10, { idle_ttl: 990 });
  await open(20, { absolute_ttl: 980 });
  const ended = await open(30);
  await endSession(db, ended.id, { reason: 'logout', actor: 'user' });
  await openTestSession(db, {}, login);
  const ids = (await listLiveSessions(db, user.id, {}, now)).map((one) => one.id);
  t.deepEqual(ids, [newest.id, middle.id, oldest.id]);
});

testOnStores('paging shows every session once, also those of one millisecond', async (t, { db }) => {
  const user = await makeUser(db);
  const client = await makeClient(db);
  for (let i = 0; i < 23; i += 1) {
    await openTestSession(db, { user, client }, after(login, Math.floor(i / 10)));
  }
  for (const limit of [1, 7, 23]) {
    const seen: string[] = [];
    let after: SessionCursor | undefined;
    for (let page = 0; page <= 23; page += 1) {
      const found = await listLiveSessions(db, user.id, { limit, after }, login);
      t.true(found.length <= limit);
      seen.push(...found.map((one) => one.id));
      after = found.at(-1) ?? after;
    }
    const expected = await db('sessions').orderBy([
      { column: 'last_used_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ]);
    t.deepEqual(
      seen,
      expected.map((one) => one.id),
      `${limit} a page`,
    );
  }
});
