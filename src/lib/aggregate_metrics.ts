// The metrics of several processes as those of one server: what was counted is added up, what is of one process alone
// (its memory, its event loop) is told apart by its name.
import { AggregatorRegistry } from 'prom-client';
import type { MetricsSnapshot } from './metrics.ts';

/** The figures of one process under a name; with its own kept apart by that name. */
export interface ProcessMetrics {
  name: string;
  figures: MetricsSnapshot;
}

/** All parts in Prometheus' text format. `ended` is what {@link addCounters} kept of processes that are no more. */
export async function renderAggregate(
  parts: ProcessMetrics[],
  ended: MetricsSnapshot = [],
): Promise<{ type: string; text: string }> {
  const together = AggregatorRegistry.aggregate([...parts.map(labelProcess), ended]);
  return { type: together.contentType, text: await together.metrics() };
}

/**
 * Adds what a process had counted to what those before it had. Without it the sums would fall when a process ends, and
 * Prometheus takes a counter that falls for one that began anew: all that the others had counted would count twice.
 */
export async function addCounters(ended: MetricsSnapshot, last: MetricsSnapshot): Promise<MetricsSnapshot> {
  const counts = last.filter(({ name, type }) => isCount(type) && !isOfOneProcess(name));
  return await AggregatorRegistry.aggregate([ended, counts]).getMetricsAsJSON();
}

function labelProcess({ name, figures }: ProcessMetrics): MetricsSnapshot {
  return figures.map((figure) => {
    if (!isOfOneProcess(figure.name)) return figure;
    const values = figure.values.map((value) => ({ ...value, labels: { ...value.labels, process: name } }));
    // The library would leave some of these out, or give their average.
    return { ...figure, values, aggregator: 'sum' as const };
  });
}

// The names that `collectDefaultMetrics` gives.
function isOfOneProcess(name: string): boolean {
  return /^(process|nodejs)_/.test(name);
}

function isCount(type: unknown): boolean {
  return type === 'counter' || type === 'histogram';
}
