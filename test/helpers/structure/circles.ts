// Circles among imports, found in the graph of the imports themselves.
import { posix } from 'node:path';
import { importsOf, type Source } from './sources.ts';

/** The imports between nodes: node, imported node, and the first place (`file:line`) of the import. */
type Graph = Map<string, Map<string, string>>;

// Their files are roots and leaves of the folders beside them, so each of these files is a node of its own.
const rootFolders = ['src', 'src/core', 'bench'];

/** The folder of a file as a node of the graph; a file directly in src, src/core or bench is its own node. */
export function folderOf(path: string): string {
  const folder = posix.dirname(path);
  return rootFolders.includes(folder) ? path : folder;
}

/** The folder below src/ or bench/ in which a file lies, however deep; a file directly in one is its own node. */
export function outerFolderOf(path: string): string {
  return path.split('/').slice(0, 2).join('/');
}

/** One line for each knot of nodes that import each other: its shortest circle, and the import behind each step. */
export function circleProblems(sources: Source[], nodeOf: (path: string) => string): string[] {
  const graph = graphOf(sources, nodeOf);
  const seen = new Set<string>();
  return [...graph.keys()].sort().flatMap((node) => {
    const circle = seen.has(node) ? null : shortestCircle(graph, node);
    if (!circle) return [];
    for (const one of circle) seen.add(one);
    const places = circle.slice(1).map((to, step) => graph.get(circle[step] ?? '')?.get(to));
    return [`${circle.join(' -> ')} (${places.join(', ')})`];
  });
}

function graphOf(sources: Source[], nodeOf: (path: string) => string): Graph {
  const graph: Graph = new Map(sources.map(({ path }) => [nodeOf(path), new Map()]));
  for (const source of sources) {
    const from = nodeOf(source.path);
    for (const { target, isPackage, line } of importsOf(source)) {
      const to = nodeOf(target);
      if (isPackage || to === from || !graph.has(to) || graph.get(from)?.has(to)) continue;
      graph.get(from)?.set(to, `${source.path}:${line}`);
    }
  }
  return graph;
}

/** From a node back to itself on the fewest steps, breadth first; null where no way leads back. */
function shortestCircle(graph: Graph, start: string): string[] | null {
  const ways: string[][] = [[start]];
  const reached = new Set<string>();
  for (const way of ways) {
    for (const next of graph.get(way.at(-1) ?? '')?.keys() ?? []) {
      if (next === start) return [...way, start];
      if (reached.has(next)) continue;
      reached.add(next);
      ways.push([...way, next]);
    }
  }
  return null;
}
