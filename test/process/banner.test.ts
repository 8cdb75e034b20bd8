import about from '../../package.json' with { type: 'json' };
import { spawnServer } from '../helpers/server_process.ts';
import { testOnStores } from '../helpers/stores.ts';

testOnStores('start and stop are log lines with the version, the pid and the settings', async (t, store) => {
  const settings = { LOG_LEVEL: 'error', RATE_LIMITS: 'memory', TRUST_PROXY: '1' };
  const { url, child, exited, lines, output } = await spawnServer(t, store.url, settings);
  child.kill('SIGTERM');
  t.is(await exited, 0);
  const { version } = about;
  const identity = { level: 30, version, pid: child.pid };
  const [started, stops, stopped, ...more] = lines().map(({ time: _, ...line }) => line);
  t.deepEqual(more, []);
  t.is(lines().length, output().trim().split('\n').length, 'every line is JSON');
  t.deepEqual(started, {
    ...identity,
    issuer: url,
    host: '127.0.0.1',
    port: Number(new URL(url).port),
    metrics_port: 0,
    env: 'test',
    node: process.version,
    database: store.name,
    rate_limits: 'memory',
    trust_proxy: true,
    workers: 1,
    jobs: false,
    msg: 'Kindred listens',
  });
  t.deepEqual(stops, { ...identity, why: 'SIGTERM', msg: 'Kindred stops' });
  const { ms, ...end } = stopped ?? {};
  t.is(typeof ms, 'number');
  t.deepEqual(end, { ...identity, msg: 'Kindred has stopped' });
});
