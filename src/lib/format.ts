// Formats quantities for people.

/** Seconds as hours or days. */
export function formatDuration(seconds: number): string {
  return seconds < 2 * 86_400 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** A number with separators between its thousands. */
export function formatCount(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

/** A number of things, by the noun for one of them: `1 session`, `2 sessions`. */
export function formatNumberOf(n: number, noun: string): string {
  return `${formatCount(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** Bytes in a fitting unit. */
export function formatBytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = n > 0 ? Math.min(units.length - 1, Math.floor(Math.log2(n) / 10)) : 0;
  return `${(n / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}
