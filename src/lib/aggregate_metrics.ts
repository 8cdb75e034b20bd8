// The metrics of several processes as those of one server: counters are added up; metrics of a single process (its memory, its
// event loop) keep the name of the process as a label.
import { AggregatorRegistry } from 'prom-client';
import type { MetricsSnapshot } from './metrics.ts';

/** The metrics of one process, and the name that labels those of the process itself. */
export interface ProcessMetrics {
  name: string;
  metrics: MetricsSnapshot;
}

/** The metrics of all processes in Prometheus' text format. `ended` holds the counters of processes that have ended ({@link addCounters}). */
export async function renderAggregate(
  processes: ProcessMetrics[],
  ended: MetricsSnapshot = [],
): Promise<{ type: string; text: string }> {
  const together = AggregatorRegistry.aggregate([...processes.map(labelProcess), ended]);
  return { type: together.contentType, text: await together.metrics() };
}

/**
 * Adds the counters of a process that has ended to those of earlier ones. Without this the sums would fall when a process
 * ends, and Prometheus takes a falling counter for one that restarted: everything else would be counted twice.
 */
export async function addCounters(ended: MetricsSnapshot, last: MetricsSnapshot): Promise<MetricsSnapshot> {
  const counts = last.filter(({ name, type }) => isCount(type) && !isOfOneProcess(name));
  return await AggregatorRegistry.aggregate([ended, counts]).getMetricsAsJSON();
}

function labelProcess({ name, metrics }: ProcessMetrics): MetricsSnapshot {
  return metrics.map((metric) => {
    if (!isOfOneProcess(metric.name)) return metric;
    const values = metric.values.map((value) => ({ ...value, labels: { ...value.labels, process: name } }));
    // The library would leave some of these out, or average them.
    return { ...metric, values, aggregator: 'sum' as const };
  });
}

// The names that `collectDefaultMetrics` gives.
function isOfOneProcess(name: string): boolean {
  return /^(process|nodejs)_/.test(name);
}

function isCount(type: unknown): boolean {
  return type === 'counter' || type === 'histogram';
}
