// The periodic jobs: what runs when, on one node at a time. Each is a command of the CLI too.
import { Cron } from 'croner';
import { keepKeys } from './core/actions/key_rotation.ts';
import type { Deps } from './core/deps.ts';
import { sweep } from './core/operations/sweep.ts';
import { finishPendingEndings } from './core/sessions/pending_endings.ts';
import { withJobLock } from './core/store/advisory_lock.ts';

export interface JobRun {
  /** Says what would be done and does nothing. */
  dryRun?: boolean;
  /** Told on the way: of what, and how many so far. */
  progress?: (what: string, count: number) => void;
  /** Stops the job at the next place where it can. */
  signal?: AbortSignal;
}

export interface Job {
  name: 'sweep' | 'rotate-keys' | 'finish-endings';
  /** Minute, hour, day of the month, month, day of the week; in UTC. */
  schedule: string;
  summary: string;
  run: (deps: Deps, run: JobRun) => Promise<object>;
}

export const jobs: Job[] = [
  {
    name: 'sweep',
    schedule: '17 * * * *',
    summary: 'remove sessions, records and events that are dead and have been for a while',
    run: async ({ db, config, metrics }, run) => {
      const counts = await sweep(db, { ...run, auditRetention: config.auditRetention });
      if (!run.dryRun) metrics.countSwept(counts);
      return counts;
    },
  },
  {
    name: 'rotate-keys',
    schedule: '*/10 * * * *',
    summary:
      'let the next signing key sign when the current one has grown old, and remove those nobody needs',
    run: async (deps, { dryRun }) => await keepKeys(deps, dryRun ? { dryRun } : {}),
  },
  {
    name: 'finish-endings',
    schedule: '* * * * *',
    summary: 'end the sessions that a process which died was about to end',
    run: async ({ db }, { dryRun }) => ({ sessions: dryRun ? 0 : await finishPendingEndings(db) }),
  },
];

/** Runs a job under its lock; null when another node is at it. */
export async function runJob(deps: Deps, job: Job, run: JobRun = {}): Promise<object | null> {
  return await withJobLock(deps.config.databaseDirectUrl, job.name, async (lost) => {
    const signal = run.signal ? AbortSignal.any([run.signal, lost]) : lost;
    return await job.run(deps, { ...run, signal });
  });
}

/** Starts the schedule. `stop` ends it and waits for a job that is running, which stops after its batch. */
export function startJobs(deps: Deps, table: Job[] = jobs): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const crons = table.map((job) => {
    const start = async () => {
      const run = runAndTell(deps, job, stopping.signal);
      running.add(run);
      await run.finally(() => running.delete(run));
    };
    // `protect`: a run that takes longer than its period is not overtaken by the next.
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

async function runAndTell(deps: Deps, job: Job, signal: AbortSignal): Promise<void> {
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
