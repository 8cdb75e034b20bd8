// The metrics of several processes as those of one server: what was counted is added up, what is of one process alone
// (its memory, its event loop) is told apart by its name.
import { AggregatorRegistry } from 'prom-client';
import type { Figures } from './metrics.ts';

/** The figures of one process under a name; with its own kept apart by that name. */
export interface Part {
  name: string;
  figures: Figures;
}

/** All parts in Prometheus' text format. `ended` is what {@link keepCounts} kept of processes that are no more. */
export async function renderAggregate(
  parts: Part[],
  ended: Figures = [],
): Promise<{ type: string; text: string }> {
  const together = AggregatorRegistry.aggregate([...parts.map(tellApart), ended]);
  return { type: together.contentType, text: await together.metrics() };
}

/**
 * Adds what a process had counted to what those before it had. Without it the sums would fall when a process ends, and
 * Prometheus takes a counter that falls for one that began anew: all that the others had counted would count twice.
 */
export async function keepCounts(ended: Figures, last: Figures): Promise<Figures> {
  const counts = last.filter(({ name, type }) => isCount(type) && !isOfOneProcess(name));
  return await AggregatorRegistry.aggregate([ended, counts]).getMetricsAsJSON();
}

function tellApart({ name, figures }: Part): Figures {
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
