// What Prometheus is told of this process. Every label has few values, all of them ours: no path, no name, no address.
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What a presented refresh token came to; the last three were refused without further consequence. */
export type RefreshOutcome = 'rotated' | 'retried' | 'reused' | 'observed' | 'ended' | 'expired' | 'unknown';

const refreshOutcomes: RefreshOutcome[] = [
  'rotated',
  'retried',
  'reused',
  'observed',
  'ended',
  'expired',
  'unknown',
];

export interface Metrics {
  countRequest: (request: RequestLabels, seconds: number) => void;
  /** A request that was answered with 429, by its route. */
  countRateLimited: (route: string) => void;
  countRefresh: (outcome: RefreshOutcome) => void;
  countFailedLogin: (reason: string) => void;
  /** A name or a device that has to wait because of wrong passwords. */
  countLockout: () => void;
  countEvent: (type: string) => void;
  /** Events that were lost because the database took none for too long. */
  countDroppedEvents: (count: number) => void;
  countSwept: (rows: Record<string, number>) => void;
  countJob: (job: string, outcome: 'done' | 'failed' | 'left') => void;
  /** Adds a figure that is read when somebody asks; one that cannot be read in time is left out. */
  addGauge: (name: string, help: string, read: () => Promise<number> | number) => void;
  /** Says which version this is, in a figure that is always 1. */
  setVersion: (version: string) => void;
  /** Adds the figures of the process: memory, processor, garbage collection, event-loop lag. */
  collectProcessMetrics: () => void;
  /** Everything as plain values, to be added to those of other processes (`aggregate_metrics.ts`). */
  read: () => Promise<MetricsSnapshot>;
  /** Everything in Prometheus' text format. */
  render: () => Promise<{ type: string; text: string }>;
}

/** The metrics of one process as plain values. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** How long a figure may take to be read, milliseconds; Prometheus itself gives up after ten seconds. */
const patience = 3_000;

/** Opens the metrics of this process, or of one of several servers in it: nothing is shared. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counters = createCounters(registers);
  for (const outcome of refreshOutcomes) counters.refreshes.inc({ outcome }, 0);
  return {
    countRequest: byLabels(counters.requests),
    countRateLimited: byLabel(counters.rateLimited),
    countRefresh: byLabel(counters.refreshes),
    countFailedLogin: (reason) => counters.failedLogins.inc({ reason }),
    countLockout: () => counters.lockouts.inc(),
    countEvent: byLabel(counters.events),
    countDroppedEvents: (count) => counters.droppedEvents.inc(count),
    countSwept(rows) {
      for (const [table, count] of Object.entries(rows)) counters.swept.inc({ table }, count);
    },
    countJob: (job, outcome) => counters.jobs.inc({ job, outcome }),
    addGauge: (name, help, read) => void registerGauge(registers, name, help, read),
    setVersion: (version) => {
      const labels = { version, node: process.version };
      new Gauge({
        name: 'kindred_build_info',
        help: 'Which version this is',
        labelNames: ['version', 'node'],
        registers,
      }).set(labels, 1);
    },
    collectProcessMetrics: () => collectDefaultMetrics({ register: registry }),
    read: () => registry.getMetricsAsJSON(),
    render: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

interface RequestLabels {
  method: string;
  route: string;
  status: number;
}

// Checking and hashing the labels costs more than the counting; there are a few hundred of them at the most.
function byLabels(histogram: Histogram<keyof RequestLabels>): Metrics['countRequest'] {
  const known = new Map<string, { observe: (value: number) => void }>();
  return ({ method, route, status }, seconds) => {
    const key = `${method} ${route} ${status}`;
    const child = known.get(key) ?? histogram.labels(method, route, String(status));
    known.set(key, child);
    child.observe(seconds);
  };
}

function byLabel(counter: Counter): (label: string) => void {
  const known = new Map<string, { inc: () => void }>();
  return (label) => {
    const child = known.get(label) ?? counter.labels(label);
    known.set(label, child);
    child.inc();
  };
}

function createCounters(registers: Registry[]) {
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `kindred_${name}`, help, labelNames, registers });
  return {
    requests: new Histogram({
      name: 'kindred_http_request_duration_seconds',
      help: 'Requests by route and status, and how long they took',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    rateLimited: counter('rate_limited_requests_total', 'Requests that were answered with 429, by route', [
      'route',
    ]),
    refreshes: counter('refresh_tokens_total', 'Presented refresh tokens by what they came to', ['outcome']),
    failedLogins: counter('logins_failed_total', 'Failed logins by reason', ['reason']),
    lockouts: counter('lockouts_total', 'Lockouts that wrong passwords began', []),
    events: counter('audit_events_total', 'Events of the audit trail by type', ['type']),
    droppedEvents: counter('audit_events_dropped_total', 'Events lost while the database took none', []),
    swept: counter('swept_rows_total', 'Rows that the sweep removed, by table', ['table']),
    jobs: counter('job_runs_total', 'Runs of periodic jobs; left: another node was at it', [
      'job',
      'outcome',
    ]),
  };
}

function registerGauge(
  registers: Registry[],
  name: string,
  help: string,
  read: () => Promise<number> | number,
): Gauge {
  return new Gauge({
    name: `kindred_${name}`,
    help,
    registers,
    async collect() {
      const figure = await Promise.race([figureOrNull(read), sleep(patience, null, { ref: false })]);
      if (figure === null) this.remove();
      else this.set(figure);
    },
  });
}

async function figureOrNull(read: () => Promise<number> | number): Promise<number | null> {
  try {
    return await read();
  } catch {
    return null;
  }
}
