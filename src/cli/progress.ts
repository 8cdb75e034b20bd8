// The progress of long commands: a bar on a terminal, a line every few seconds elsewhere. On stderr, so that stdout has
// the answer only.

export interface Progress {
  /** `done` of the total; `note` describes it. */
  update: (done: number, note: string) => void;
  /** Removes the bar. */
  finish: () => void;
}

interface Output {
  isTTY?: boolean;
  columns?: number;
  write: (text: string) => unknown;
}

const width = 24;

/** Starts the progress; `total` has the unit of `update`, `clock` returns milliseconds. */
export function startProgress(
  total: number,
  output: Output = process.stderr,
  clock: () => number = Date.now,
): Progress {
  const begin = clock();
  const interval = output.isTTY ? 100 : 5_000;
  let next = begin + interval;
  return {
    update(done, note) {
      const now = clock();
      if (now < next) return;
      next = now + interval;
      const part = total > 0 ? Math.min(1, done / total) : 1;
      const left = part > 0 ? ((now - begin) / part) * (1 - part) : 0;
      const text = `${String(Math.floor(part * 100)).padStart(3)} %, ${note}, ${duration(left)} left`;
      if (!output.isTTY) output.write(`${text.trimStart()}\n`);
      else output.write(`\r\x1b[K${`[${bar(part)}] ${text}`.slice(0, (output.columns || 80) - 1)}`);
    },
    finish() {
      if (output.isTTY) output.write('\r\x1b[K');
    },
  };
}

function bar(part: number): string {
  const filled = Math.round(part * width);
  return '#'.repeat(filled) + '.'.repeat(width - filled);
}

function duration(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
