// The cost of a request: microseconds of CPU time of the server's main thread, which a busy machine does not change.
import { type Answer, type RequestOptions, send } from '../../helpers/client.ts';
import type { MeasuredServer } from '../fuzzing/measured_server.ts';

/** The cost of one request, and its answer. */
export async function costOf(
  server: MeasuredServer,
  path: string,
  question: RequestOptions,
): Promise<{ cost: number; answer: Answer }> {
  const before = await server.cpu();
  const answer = await send(server.url, { ...question, path });
  return { cost: (await server.cpu()) - before, answer };
}

/** The median of several runs. */
export async function medianCost(
  server: MeasuredServer,
  path: string,
  question: RequestOptions,
  runs = 5,
): Promise<number> {
  const costs: number[] = [];
  for (let run = 0; run < runs; run += 1) costs.push((await costOf(server, path, question)).cost);
  return costs.toSorted((a, b) => a - b)[Math.floor(runs / 2)] ?? 0;
}
