// Times as text. The user's time zone and locale are not known, so exact times are in UTC and say so.

/** A moment as `<time>` shows it. */
export interface Moment {
  iso: string;
  text: string;
  /** The exact time, shown as a tooltip. */
  title: string;
}

const units: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['week', 7 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });

/** "5 minutes ago", as seen from `now`. */
export function ago(at: Date, now: Date): Moment {
  return { iso: at.toISOString(), text: relativeText(at, now), title: exactText(at) };
}

/** "3 May 2026 at 14:03 UTC". */
export function exactMoment(at: Date): Moment {
  return { iso: at.toISOString(), text: exactText(at), title: exactText(at) };
}

/** "3 May 2026". */
export function onDay(at: Date): Moment {
  return { iso: at.toISOString(), text: day.format(at), title: exactText(at) };
}

/** How long to wait, rounded up: "4 minutes" for 181 seconds. */
export function waitFor(seconds: number): string {
  const [size, unit] =
    seconds < 90
      ? [1, 'second']
      : seconds < 5_400
        ? [60, 'minute']
        : seconds < 129_600
          ? [3_600, 'hour']
          : [86_400, 'day'];
  const count = Math.max(1, Math.ceil(seconds / Number(size)));
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

function relativeText(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? [];
  return unit && size ? relative.format(Math.trunc(seconds / size), unit) : 'just now';
}

function exactText(at: Date): string {
  return `${exact.format(at)} UTC`;
}
