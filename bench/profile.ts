// `node_modules/.bin/node bench/profile.ts <file.cpuprofile>`: prints where a profiled server spent its time, by package or
// folder and by function. A profile of `--profile` begins at the start of the server, so a run should be long.
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  /** Microseconds between a sample and its predecessor. */
  timeDeltas: number[];
}

type Times = Map<string, number>;

const root = join(import.meta.dirname, '..');

/** The self time of each function and of each package or folder, in microseconds, without idle time. */
export function readProfile({ nodes, samples, timeDeltas }: Profile): { functions: Times; places: Times } {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions: Times = new Map();
  const places: Times = new Map();
  const add = (times: Times, key: string, time: number) => times.set(key, (times.get(key) ?? 0) + time);
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    const time = timeDeltas[index] ?? 0;
    if (!frame || frame.functionName === '(idle)') continue;
    const file = shorten(frame.url);
    add(
      functions,
      `${frame.functionName || '(anonymous)'} ${file}${file && `:${frame.lineNumber + 1}`}`.trim(),
      time,
    );
    add(places, placeOf(file, frame.functionName), time);
  }
  return { functions, places };
}

function shorten(url: string): string {
  if (!url.startsWith('file://')) return url;
  const path = decodeURIComponent(new URL(url).pathname);
  const at = path.lastIndexOf('node_modules/');
  return at >= 0 ? path.slice(at + 'node_modules/'.length) : relative(root, path);
}

function placeOf(file: string, name: string): string {
  if (file === '') return name.startsWith('(') ? name : '(native)';
  if (file.startsWith('node:')) return file;
  const [first = '', second = ''] = file.split('/');
  return first.startsWith('@') || first === 'src' ? `${first}/${second}` : first;
}

function print(title: string, times: Times, count: number): void {
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  console.log(`\n${title}`);
  for (const [key, time] of [...times].sort(([, a], [, b]) => b - a).slice(0, count)) {
    console.log(`  ${((100 * time) / total).toFixed(1).padStart(5)} %  ${key}`);
  }
}

if (import.meta.main) {
  const { functions, places } = readProfile(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')));
  print('self time by package, folder or module', places, 25);
  print('self time by function', functions, 45);
}
