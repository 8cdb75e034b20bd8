// CPU time and memory of processes, from /proc. Other work on the machine distorts rates and latencies far more than CPU time.
import { readFile } from 'node:fs/promises';

/** Clock ticks per second. Linux reports in this unit whatever the kernel's own tick is. */
const ticks = 100;

/** Seconds of CPU that all threads of a process have used, user and system; null where there is no /proc. */
export async function readCpuTime(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The name in parentheses may hold blanks; user and system time are the 12th and 13th field after it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields ? (Number(fields[11]) + Number(fields[12])) / ticks : null;
}

/**
 * Seconds of CPU that a process and its children have used, those that have ended included; null where there is no /proc. It
 * is how the CPU time of Postgres is read, which is a process for each connection.
 */
export async function readTreeCpuTime(pid: number): Promise<number | null> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => null);
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (children === null || stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / ticks;
  const times = await Promise.all(children.split(' ').filter(Boolean).map(Number).map(readCpuTime));
  return times.reduce<number>((sum, time) => sum + (time ?? 0), own);
}

/** Seconds that the cores of this process have been busy with any work, and the number of cores; null without /proc. */
export async function readOwnCores(): Promise<{ busy: number; cores: number } | null> {
  const [status, stat] = await Promise.all(
    ['/proc/self/status', '/proc/stat'].map((file) => readFile(file, 'utf8').catch(() => null)),
  );
  if (!status || !stat) return null;
  const cores = coresIn(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '');
  const lines = stat.split('\n').filter((line) => cores.some((core) => line.startsWith(`cpu${core} `)));
  const busy = lines.map((line) => {
    // user nice system idle iowait irq softirq steal; guest time is part of user.
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(' ').slice(1).map(Number);
    return (user + nice + system + irq + softirq) / ticks;
  });
  return { busy: busy.reduce((sum, one) => sum + one, 0), cores: cores.length };
}

/** The cores of a list such as `0-2,5`. */
export function coresIn(list: string): number[] {
  if (list === '') return [];
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Resident memory of a process, MiB; null where there is no /proc. */
export async function readResident(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return kib === undefined ? null : Number(kib) / 1024;
}
