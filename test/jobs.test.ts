import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { loadConfig } from '../config/index.ts';
import { type Deps, openDeps } from '../src/core/deps.ts';
import { withJobLock } from '../src/core/store/advisory_lock.ts';
import { type Job, jobs, runJob, startJobs } from '../src/jobs.ts';
import { environment } from './helpers/server.ts';
import { type Store, testOnStores } from './helpers/stores.ts';
import { until } from './helpers/until.ts';

async function open(t: ExecutionContext, store: Store): Promise<Deps> {
  const deps = await openDeps(loadConfig(environment(store.url, { LOG_LEVEL: 'silent' })));
  t.teardown(deps.close);
  return deps;
}

function named(name: string): Job {
  const job = jobs.find((one) => one.name === name);
  if (!job) throw new Error(`there is no job ${name}`);
  return job;
}

/** A job that runs until it is told to go on, and counts how many of it run at once. */
function slowJob() {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const seen = { started: 0, aborted: 0 };
  const job: Job = {
    name: 'sweep',
    schedule: '* * * * * *',
    summary: '',
    async run(_services, { signal }) {
      seen.started += 1;
      const stopped = once(signal as AbortSignal, 'abort').then(() => {
        seen.aborted += 1;
      });
      await Promise.race([gate, stopped]);
      return {};
    },
  };
  return { job, seen, open };
}

testOnStores('of two nodes that run a job at once one does', async (t, store) => {
  const [one, other] = [await open(t, store), await open(t, store)];
  const { job, seen, open: goOn } = slowJob();
  const running = runJob(one, job);
  await until(() => seen.started > 0, 'the job runs');
  t.is(await runJob(other, job), null);
  t.is(await runJob(one, job), null, 'nor may the same node begin a second one');
  t.deepEqual(
    await runJob(other, { ...job, name: 'rotate-keys', run: async () => ({ ran: true }) }),
    { ran: true },
    'another job may',
  );
  goOn();
  t.deepEqual(await running, {});
  t.is(seen.started, 1);
  t.deepEqual(
    await runJob(other, { ...job, run: async () => ({ ran: true }) }),
    { ran: true },
    'and then the next',
  );
});

testOnStores('a process that is killed leaves no lock behind', async (t, store) => {
  const script = fileURLToPath(new URL('children/hold_lock.ts', import.meta.url));
  const child = spawn(process.execPath, [script, store.url, 'sweep'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  t.is(await withJobLock(store.url, 'sweep', async () => ({})), null);
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.deepEqual(await until(() => withJobLock(store.url, 'sweep', async () => ({})), 'the lock is free'), {});
});

testOnStores('a job that fails gives its lock back', async (t, store) => {
  const failing = withJobLock(store.url, 'sweep', async () => {
    throw new Error('of its own');
  });
  await t.throwsAsync(failing, { message: 'of its own' });
  t.deepEqual(await withJobLock(store.url, 'sweep', async () => ({})), {});
});

// A lock on a file is lost with its process only.
testOnStores(
  'a job that lost its lock is told to stop',
  async (t, store) => {
    const outcome = await withJobLock(store.url, 'sweep', async (lost) => {
      await store.db.raw(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kindred sweep' and datname = current_database()",
      );
      if (!lost.aborted) await once(lost, 'abort');
      return { told: true };
    });
    t.deepEqual(outcome, { told: true });
  },
  ['postgres'],
);

testOnStores('a stop tells a running job, waits for it and starts no other', async (t, store) => {
  const deps = await open(t, store);
  const { job, seen } = slowJob();
  const { stop } = startJobs(deps, [job]);
  await until(() => seen.started > 0, 'the job runs');
  await stop();
  t.deepEqual(seen, { started: 1, aborted: 1 });
  await sleep(1_100);
  t.is(seen.started, 1);
});

testOnStores('the sweep counts what it removed', async (t, store) => {
  const deps = await open(t, store);
  await store.db('revoked_tokens').insert({ jti: 'dead', expires_at: new Date(0 + 1) });
  const expected = {
    sessions: 0,
    oidc_models: 0,
    revoked_tokens: 1,
    rate_limits: 0,
    audit_events: 0,
    devices: 0,
    known_browsers: 0,
    one_time_codes: 0,
    clients: 0,
    outbox: 0,
  };
  t.deepEqual(await runJob(deps, named('sweep'), { dryRun: true }), expected);
  t.deepEqual(await runJob(deps, named('sweep')), expected);
  t.regex((await deps.metrics.render()).text, /^kindred_swept_rows_total\{table="revoked_tokens"\} 1$/m);
});

const byAlg = (a: { alg: string }, b: { alg: string }) => a.alg.localeCompare(b.alg);

testOnStores('the signing key is rotated when it has grown old and not before', async (t, store) => {
  const deps = await open(t, store);
  const { kid } = deps.keys.ofAccessTokens();
  const job = named('rotate-keys');
  t.deepEqual(await runJob(deps, job), { outcome: 'not_due', kid, dropped: 0 });

  const long = new Date(Date.now() - (deps.config.signingKeyTtl + 1) * 1000);
  await store.db('signing_keys').where({ status: 'current' }).update({ current_at: long });
  t.like(
    await runJob(deps, job),
    { outcome: 'too_young', kid, dropped: 0 },
    'verifiers may not know the next one yet',
  );
  await store.db('signing_keys').where({ status: 'upcoming' }).update({ created_at: long });
  t.deepEqual(await runJob(deps, job, { dryRun: true }), { outcome: 'rotated', kid, dropped: 0 });
  t.is(deps.keys.ofAccessTokens().kid, kid);

  const rotated = await runJob(deps, job);
  const next = deps.keys.ofAccessTokens().kid;
  t.not(next, kid);
  const keys = deps.keys.algs().offered.map((alg) => ({ kid: deps.keys.current(alg).kid, alg }));
  t.deepEqual(
    keys.map(({ alg }) => alg),
    ['ES256', 'RS256'],
  );
  t.like(rotated, { outcome: 'rotated', kid: next, dropped: 0 });
  const { keys: moved } = rotated as { keys: typeof keys };
  t.deepEqual(moved.toSorted(byAlg), keys);
  const events = await store.db('audit_events').where({ type: 'signing_key_rotated' });
  t.deepEqual(
    events.map(({ actor, detail }) => ({ actor, detail })),
    [{ actor: 'system', detail: { kid: next, force: false, keys: moved } }],
  );

  await store
    .db('signing_keys')
    .where({ kid })
    .update({ expires_at: new Date(Date.now() - 1_000) });
  t.deepEqual(await runJob(deps, job), { outcome: 'not_due', kid: next, dropped: 1 });
  t.false(
    deps.keys.list().some((key) => key.kid === kid),
    'and is no longer published here',
  );
});
