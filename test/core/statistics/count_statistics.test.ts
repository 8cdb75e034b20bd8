// The count of the statistics: by one node, aside from the requests, under a time limit, and never without its age.
import type { ExecutionContext } from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { type Deps, openDeps } from '../../../src/core/deps.ts';
import { countStatistics } from '../../../src/core/statistics/count_statistics.ts';
import { findLiveTotal } from '../../../src/core/statistics/statistics.ts';
import { readStats } from '../../../src/core/statistics/stats.ts';
import { readAside } from '../../../src/core/statistics/time_limit.ts';
import { rows } from '../../../src/core/store/db.ts';
import { jobs, runJob, startJobs } from '../../../src/jobs.ts';
import { openTestSession } from '../../helpers/builders.ts';
import { environment } from '../../helpers/server.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

async function open(t: ExecutionContext, store: Store): Promise<Deps> {
  const deps = await openDeps(loadConfig(environment(store.url, { LOG_LEVEL: 'silent' })));
  t.teardown(deps.close);
  return deps;
}

const job = jobs.filter(({ name }) => name === 'count-statistics');

testOnStores('of two nodes one counts when it starts, and the other shows its figures', async (t, store) => {
  const [one, other] = [await open(t, store), await open(t, store)];
  await openTestSession(store.db);
  const first = startJobs(one, job);
  t.teardown(first.stop);
  await until(async () => (await findLiveTotal(store.db)) !== null, 'the first node has counted');
  await first.stop();
  await openTestSession(store.db);
  const [count] = job;
  if (!count) throw new Error('there is no such job');
  t.deepEqual(await runJob(other, count), { is_fresh: true });
  t.is((await findLiveTotal(other.db))?.total, 1);
  // Five minutes later.
  await store.db('statistics').update({ counted_at: new Date(Date.now() - 300_000) });
  t.like(await runJob(other, count), { live_sessions: 2 });
  t.is((await findLiveTotal(one.db))?.total, 2);
});

testOnStores('a figure says how old it is, also when later counts fail', async (t, { db, url }) => {
  t.is(await findLiveTotal(db), null);
  await t.throwsAsync(readStats(db), { message: /not been counted yet/ });
  await openTestSession(db);
  await countStatistics(db, { url });
  await db('statistics').update({ counted_at: new Date(Date.now() - 3_600_000) });
  await openTestSession(db);
  await db.schema.renameTable('audit_events', 'away');
  await t.throwsAsync(countStatistics(db, { url }));
  await db.schema.renameTable('away', 'audit_events');
  const found = await findLiveTotal(db);
  t.is(found?.total, 1);
  t.true(found !== null && found.age >= 3_599 && found.age < 3_700, String(found?.age));
  const { at, live_sessions, last_day } = await readStats(db);
  for (const { counted_at } of [live_sessions, last_day]) {
    t.true(at.getTime() - counted_at.getTime() >= 3_599_000);
  }
});

testOnStores(
  'reading the figures reads tables that do not grow, and the users that it names',
  async (t, { db, url }) => {
    await countStatistics(db, { url });
    const statements: string[] = [];
    const note = ({ sql }: { sql: string }) => void statements.push(sql);
    db.on('query', note);
    await readStats(db);
    await findLiveTotal(db);
    db.removeListener('query', note);
    const tables = statements.flatMap((sql) => [...sql.matchAll(/from [`"]?(\w+)/g)].map(([, name]) => name));
    t.deepEqual([...new Set(tables)].toSorted(), ['hourly_rotations', 'statistics', 'users']);
    t.true(statements.length <= 6, statements.join('\n'));
  },
);

const endless = (name: Store['name']) =>
  name === 'postgres'
    ? 'select pg_sleep(600)'
    : 'with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) as n from c';

testOnStores(
  'a statement beyond its time limit is cancelled, and requests go on meanwhile',
  async (t, { db, url, name }) => {
    const slow = readAside({ db, url, seconds: 1 }, async (aside) => await rows(aside, endless(name)));
    t.deepEqual(await rows<{ n: number }>(db, 'select count(*) as n from users'), [{ n: 0 }]);
    await openTestSession(db);
    await t.throwsAsync(slow, { message: /statement timeout|SQLITE_INTERRUPT/ });
  },
);

testOnStores('a shutdown cancels the statement of a count', async (t, { db, url, name }) => {
  const stopping = new AbortController();
  const slow = readAside({ db, url, seconds: 600, signal: stopping.signal }, async (aside) => {
    const ends = rows(aside, endless(name));
    setTimeout(() => stopping.abort(), 200);
    return await ends;
  });
  await t.throwsAsync(slow, { message: /user request|SQLITE_INTERRUPT/ });
  await t.throwsAsync(readAside({ db, url, seconds: 600, signal: stopping.signal }, async () => {}));
});
