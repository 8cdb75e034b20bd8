// What a process has used, from /proc. Other work on the machine distorts rates and latencies far more than CPU time.
import { readFile } from 'node:fs/promises';

/** Clock ticks a second; Linux reports in these whatever the kernel's own is. */
const ticks = 100;

/** Seconds of CPU that a process has used, all of its threads, in itself and in the kernel; null where there is no /proc. */
export async function readCpuTime(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The name stands in parentheses and may hold blanks; user and system time are the 12th and 13th field behind it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields ? (Number(fields[11]) + Number(fields[12])) / ticks : null;
}

/** Resident memory of a process, MiB; null where there is no /proc. */
export async function readResident(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return kib === undefined ? null : Number(kib) / 1024;
}
