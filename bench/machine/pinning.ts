// Which process runs on which core. Without pinning the scheduler moves server, generator and Postgres, and rates vary by a
// third.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { coresIn } from './cpu.ts';

/** The cores of each process, as `taskset -c` takes them. */
export interface Places {
  server: string;
  generator: string;
  postgres: string;
}

/** The server gets a core of its own; generator and Postgres share the others. Null where nothing can be pinned. */
export function choosePlaces(): Places | null {
  const cores = allowedCores();
  const [server, generator, ...rest] = cores.map(String);
  if (server === undefined || generator === undefined || !hasTaskset()) return null;
  return { server, generator, postgres: rest.length > 0 ? rest.join(',') : generator };
}

/** The places as text for the report. */
export function describePlaces(places: Places | null): string {
  if (!places) return 'not pinned';
  const { server, generator, postgres } = places;
  return `pinned: server on core ${server}, generator on ${generator}, Postgres on ${postgres}`;
}

/** Pins a process with its threads and children. Processes that it forks later inherit the cores. */
export function pinTree(pid: number, cores: string): void {
  for (const one of [pid, ...childrenOf(pid)]) {
    try {
      execFileSync('taskset', ['-a', '-c', '-p', cores, String(one)], { stdio: 'ignore' });
    } catch {
      // The process has ended since it was listed.
    }
  }
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
    } catch {
      return false;
    }
  });
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function allowedCores(): number[] {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return coresIn(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '');
  } catch {
    return [];
  }
}
