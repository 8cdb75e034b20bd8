// Against a real Redis, where the machine has one (`apt-get install redis-server`); skipped, and said so, where not.
import { randomUUID } from 'node:crypto';
import { createClient } from '@redis/client';
import test, { type ExecutionContext } from 'ava';
import { openRateLimits, type RateLimits } from '../../../src/core/limits/rate_limits.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { createLog } from '../../../src/lib/log.ts';
import { wideLimits } from '../../helpers/password_attempts.ts';
import { startRedis, testWithRedis } from '../../helpers/redis.ts';
import { freePort } from '../../helpers/server_process.ts';
import { makeStore, type OwnStore } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const lockout = { failures: 2, firstDelay: 60, longestDelay: 900 };

async function open(t: ExecutionContext, store: string): Promise<RateLimits> {
  const database: OwnStore = await makeStore('sqlite');
  const settings = { ...wideLimits, store, lockout, refresh: { points: 2, seconds: 60 } };
  const limits = await openRateLimits(database.db, settings, createLog({ level: 'silent' }));
  t.teardown(async () => {
    await limits.close();
    await database.drop();
  });
  return limits;
}

async function outcome(guarded: Promise<unknown>): Promise<string> {
  try {
    await guarded;
    return 'passed';
  } catch (error) {
    if (error instanceof AppError && error.code === 'rate_limited') return 'limited';
    throw error;
  }
}

testWithRedis('nodes that count in Redis share limits and lockouts', async (t) => {
  const redis = await startRedis();
  t.teardown(redis.stop);
  const [one, other] = [await open(t, redis.url), await open(t, redis.url)];
  t.is(await outcome(one.refresh.consume('session')), 'passed');
  t.is(await outcome(other.refresh.consume('session')), 'passed');
  t.is(await outcome(other.refresh.consume('session')), 'limited');
  await one.refresh.refund('session');
  await one.refresh.refund('session');
  t.is(await outcome(other.refresh.consume('session')), 'passed');
  t.is(await outcome(other.refresh.consume('another')), 'passed');

  t.is(await outcome(one.lockout.check('alice')), 'passed');
  await one.lockout.count('alice');
  await other.lockout.count('alice');
  t.is(await outcome(one.lockout.check('alice')), 'limited');
  t.is(await outcome(other.lockout.count('alice')), 'limited');
  await one.lockout.clear('alice');
  t.is(await outcome(other.lockout.check('alice')), 'passed');

  const client = createClient({ url: redis.url });
  await client.connect();
  const keys = await client.keys('*');
  client.destroy();
  t.true(keys.length > 0);
  t.deepEqual(
    keys.filter((key) => !/^kindred:(refresh|failures):[\w-]{43}$/.test(key)),
    [],
    'under a name of ours, and without telling who',
  );
});

testWithRedis(
  'while Redis is away every process counts by itself, and afterwards they count together again',
  async (t) => {
    const redis = await startRedis();
    t.teardown(redis.stop);
    const [one, other] = [await open(t, redis.url), await open(t, redis.url)];
    await one.lockout.count('alice');
    await redis.stop();
    for (const limits of [one, other]) {
      t.is(await outcome(limits.lockout.check('alice')), 'passed');
      t.is(await outcome(limits.lockout.count('alice')), 'passed');
      t.is(await outcome(limits.lockout.count('alice')), 'passed');
      t.is(await outcome(limits.lockout.check('alice')), 'limited');
      t.is(await outcome(limits.refresh.consume('session')), 'passed');
      t.is(await outcome(limits.refresh.consume('session')), 'passed');
      t.is(await outcome(limits.refresh.consume('session')), 'limited');
      await limits.lockout.clear('alice');
      t.is(await outcome(limits.lockout.check('alice')), 'passed');
    }
    const again = await startRedis(redis.port);
    t.teardown(again.stop);
    await t.notThrowsAsync(until(() => areShared(one, other), 'the two count together'));
  },
);

async function areShared(one: RateLimits, other: RateLimits): Promise<boolean> {
  const key = randomUUID();
  await one.refresh.consume(key);
  await other.refresh.consume(key);
  return (await outcome(one.refresh.consume(key))) === 'limited';
}

testWithRedis('a hanging Redis delays one request and no further ones', async (t) => {
  const redis = await startRedis();
  t.teardown(redis.stop);
  const limits = await open(t, redis.url);
  t.is(await outcome(limits.refresh.consume('session')), 'passed');
  const client = createClient({ url: redis.url });
  await client.connect();
  await client.clientPause(60_000, 'ALL');
  client.destroy();
  t.is(await outcome(limits.refresh.consume('session')), 'passed', 'delayed until Redis counts as away');
  const order: string[] = [];
  const done = (what: string) => () => order.push(what);
  // A start waits for Redis as long as a request would.
  const start = open(t, redis.url).then(done('start'));
  const outcomes = [1, 2].map(() => outcome(limits.refresh.consume('session')));
  for (const one of outcomes) one.then(done('request'), () => {});
  await start;
  t.deepEqual(await Promise.all(outcomes), ['passed', 'limited']);
  t.deepEqual(order, ['request', 'request', 'start']);
});

test('without its Redis a server starts, and limits apply', async (t) => {
  const limits = await open(t, `redis://127.0.0.1:${await freePort()}`);
  t.is(await outcome(limits.refresh.consume('session')), 'passed');
  t.is(await outcome(limits.refresh.consume('session')), 'passed');
  t.is(await outcome(limits.refresh.consume('session')), 'limited');
});
