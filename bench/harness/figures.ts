// A measured figure, compared with its bar.
import { type Bar, bars, type FigureName } from './bars.ts';

export interface Figure extends Bar {
  name: string;
  measured: number;
  /** How the figure came about. */
  note?: string;
}

/** A measured figure with its bar. */
export function figure(name: FigureName, measured: number, note?: string): Figure {
  return { name, measured, ...bars[name], ...(note === undefined ? {} : { note }) };
}

/** Whether a figure reached its aim, only what it must, or neither. */
export function reached({ measured, must, aim, better }: Figure): 'aim' | 'must' | 'NOT MET' {
  const meets = (bound: number) => (better === 'more' ? measured >= bound : measured <= bound);
  if (meets(aim)) return 'aim';
  return meets(must) ? 'must' : 'NOT MET';
}

/** Figures in the order of the bars. */
export function inOrder(figures: Figure[]): Figure[] {
  const names = Object.keys(bars);
  return figures.toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

/** The cells of a figure's row: its name, what was measured, what it must reach, its aim, and which of these it met. */
export function rowOf(one: Figure): string[] {
  const sign = one.better === 'more' ? '≥' : '≤';
  const bound = (value: number) => `${sign} ${format(value, one.unit)}`;
  return [one.name, format(one.measured, one.unit), bound(one.must), bound(one.aim), reached(one)];
}

/** A figure as text, with its unit. */
export function format(value: number, unit = ''): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isNaN(value) ? '-' : `${value.toFixed(digits)}${unit}`;
}
