// The periodic jobs: what runs when. A lock lets each run on one node at a time.
import { Cron } from 'croner';
import { keepKeys } from './core/actions/key_rotation.ts';
import type { Deps } from './core/deps.ts';
import { sweep } from './core/operations/sweep.ts';
import { finishPendingEndings } from './core/sessions/pending_endings.ts';
import { countStatistics } from './core/statistics/count_statistics.ts';
import { withJobLock } from './core/store/advisory_lock.ts';

export interface JobRun {
  /** Reports what would be done, and changes nothing. */
  dryRun?: boolean;
  /** Called during the run: what is being processed, and how many so far. */
  progress?: (what: string, count: number) => void;
  /** Stops the job after its current batch. */
  signal?: AbortSignal;
}

export interface Job {
  name: 'sweep' | 'rotate-keys' | 'finish-endings' | 'count-statistics';
  /** Cron syntax (minute, hour, day of the month, month, day of the week), in UTC. */
  schedule: string;
  /** Also runs when the schedule starts. */
  atStart?: boolean;
  summary: string;
  run: (deps: Deps, run: JobRun) => Promise<object>;
}

export const jobs: Job[] = [
  {
    name: 'sweep',
    schedule: '17 * * * *',
    summary: 'remove expired and ended sessions, records and events that are past their retention',
    run: async ({ db, config, metrics }, run) => {
      const counts = await sweep(db, { ...run, auditRetention: config.auditRetention });
      if (!run.dryRun) metrics.countSwept(counts);
      return counts;
    },
  },
  {
    name: 'rotate-keys',
    schedule: '*/10 * * * *',
    summary: 'rotate the signing key when it is old enough, and remove keys whose tokens have all expired',
    run: async (deps, { dryRun }) => await keepKeys(deps, dryRun ? { dryRun } : {}),
  },
  {
    name: 'finish-endings',
    schedule: '* * * * *',
    summary: 'finish the endings of sessions that a crashed process left behind',
    run: async ({ db }, { dryRun }) => ({ sessions: dryRun ? 0 : await finishPendingEndings(db) }),
  },
  {
    name: 'count-statistics',
    schedule: '*/5 * * * *',
    atStart: true,
    summary:
      'count what metrics and statistics show: live sessions, and the logins and refreshes of each hour',
    run: async ({ db, config }, { dryRun, signal }) =>
      dryRun ? {} : await countStatistics(db, { url: config.databaseDirectUrl, ifOlderThan: 240, signal }),
  },
];

/** Runs a job under its lock; null if another node is running it. */
export async function runJob(deps: Deps, job: Job, run: JobRun = {}): Promise<object | null> {
  return await withJobLock(deps.config.databaseDirectUrl, job.name, async (lost) => {
    const signal = run.signal ? AbortSignal.any([run.signal, lost]) : lost;
    return await job.run(deps, { ...run, signal });
  });
}

/** Starts the schedule. `stop` ends it and waits for running jobs, which stop after their batch. */
export function startJobs(deps: Deps, table: Job[] = jobs): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const crons = table.map((job) => {
    const start = async () => {
      const run = runAndLog(deps, job, stopping.signal);
      running.add(run);
      await run.finally(() => running.delete(run));
    };
    if (job.atStart) void start();
    // `protect`: no second run starts while one is still running.
    return new Cron(job.schedule, { timezone: 'UTC', protect: true, unref: true }, start);
  });
  return {
    async stop() {
      for (const cron of crons) cron.stop();
      stopping.abort();
      await Promise.all(running);
    },
  };
}

async function runAndLog(deps: Deps, job: Job, signal: AbortSignal): Promise<void> {
  const { log, metrics } = deps;
  const start = performance.now();
  try {
    const result = await runJob(deps, job, { signal });
    const ms = Math.round(performance.now() - start);
    metrics.countJob(job.name, result ? 'done' : 'left');
    if (result) log.info({ job: job.name, ms, result }, 'job done');
    else log.debug({ job: job.name }, 'job left to another node');
  } catch (err) {
    metrics.countJob(job.name, 'failed');
    log.error({ err, job: job.name }, 'job failed');
  }
}
