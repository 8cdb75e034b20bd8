// The Prometheus metrics of this process. Every label has few values, all chosen by Kindred: no path, no name, no address.
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The outcome of a presented refresh token; the last three are refused without further consequence. */
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

/** `later`: the next attempt follows. `dead`: given up. `expired`: of no use any more before it could be sent. */
export type MailOutcome = 'sent' | 'later' | 'dead' | 'expired';

const mailOutcomes: MailOutcome[] = ['sent', 'later', 'dead', 'expired'];

export interface Metrics {
  countRequest: (request: RequestLabels, seconds: number) => void;
  /** Counts a request that was answered with 429, by its route. */
  countRateLimited: (route: string) => void;
  countRefresh: (outcome: RefreshOutcome) => void;
  countFailedLogin: (reason: string) => void;
  /** Counts a lockout of a name or a device. */
  countLockout: () => void;
  countEvent: (type: string) => void;
  /** Counts events that were lost because the database was unavailable for too long. */
  countDroppedEvents: (count: number) => void;
  /** Counts what was refused, or is not certain, because the synchronous standby is away. */
  countStandbyRefusal: () => void;
  countSwept: (rows: Record<string, number>) => void;
  /** Counts what an attempt to send a mail came to. */
  countMail: (outcome: MailOutcome) => void;
  countJob: (job: string, outcome: 'done' | 'failed' | 'left') => void;
  /** Adds a gauge that is read at each scrape; a gauge that cannot be read in time is left out. */
  addGauge: (name: string, help: string, read: () => Promise<number> | number) => void;
  /** Adds a gauge of value 1 that has the version as a label. */
  setVersion: (version: string) => void;
  /** Adds the metrics of the process: memory, processor, garbage collection, event-loop lag. */
  collectProcessMetrics: () => void;
  /** All metrics as plain values, to be added to those of other processes (`aggregate_metrics.ts`). */
  read: () => Promise<MetricsSnapshot>;
  /** All metrics in Prometheus' text format. */
  render: () => Promise<{ type: string; text: string }>;
}

/** The metrics of one process as plain values. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** Milliseconds that reading a gauge may take; Prometheus itself gives up after ten seconds. */
const gaugeTimeout = 3_000;

/** Creates the metrics of one server; several servers in one process share nothing. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counters = createCounters(registers);
  for (const outcome of refreshOutcomes) counters.refreshes.inc({ outcome }, 0);
  for (const outcome of mailOutcomes) counters.mails.inc({ outcome }, 0);
  return {
    countRequest: byLabels(counters.requests),
    countRateLimited: byLabel(counters.rateLimited),
    countRefresh: byLabel(counters.refreshes),
    countFailedLogin: (reason) => counters.failedLogins.inc({ reason }),
    countLockout: () => counters.lockouts.inc(),
    countEvent: byLabel(counters.events),
    countDroppedEvents: (count) => counters.droppedEvents.inc(count),
    countStandbyRefusal: () => counters.standbyRefusals.inc(),
    countSwept(rows) {
      for (const [table, count] of Object.entries(rows)) counters.swept.inc({ table }, count);
    },
    countMail: byLabel(counters.mails),
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

// Caches the child of each set of labels, because checking and hashing labels costs more than counting. There are a few
// hundred sets at most.
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
    standbyRefusals: counter(
      'standby_refusals_total',
      'Writes that were refused, or are not certain, because no synchronous standby confirms',
      [],
    ),
    swept: counter('swept_rows_total', 'Rows that the sweep removed, by table', ['table']),
    mails: counter('mails_total', 'Attempts to send a mail by what they came to', ['outcome']),
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
      const value = await Promise.race([valueOrNull(read), sleep(gaugeTimeout, null, { ref: false })]);
      if (value === null) this.remove();
      else this.set(value);
    },
  });
}

async function valueOrNull(read: () => Promise<number> | number): Promise<number | null> {
  try {
    return await read();
  } catch {
    return null;
  }
}
