// How much CPU a process has used. Other work on the machine distorts rates and latencies far more than this.
import { readFile } from 'node:fs/promises';

/** Clock ticks a second; Linux reports in these whatever the kernel's own is. */
const ticks = 100;

/** Seconds of CPU that a process has used, in itself and in the kernel; null where there is no /proc. */
export async function readCpuTime(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The name stands in parentheses and may hold blanks; user and system time are the 12th and 13th field behind it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields ? (Number(fields[11]) + Number(fields[12])) / ticks : null;
}
