// The targets of the figures: a minimum that each must reach and an aim.

export interface Figure {
  name: string;
  measured: number;
  must: number;
  aim: number;
  /** The better direction. */
  better: 'more' | 'less';
  unit?: string;
  /** How the figure came about. */
  note?: string;
}

type Target = Pick<Figure, 'must' | 'aim' | 'better' | 'unit'>;

const more = (must: number, aim: number, unit = ''): Target => ({ must, aim, better: 'more', unit });
const less = (must: number, aim: number, unit = ''): Target => ({ must, aim, better: 'less', unit });

const targets = {
  'refresh against floor': more(0.65, 0.8),
  'refresh against node_oauth': more(1.35, 1.7, '×'),
  'refresh against stock': more(2.6, 3.3, '×'),
  'introspection, repeated token, against floor': more(0.55, 0.75),
  'introspection, new token, against floor': more(0.38, 0.5),
  'list of 5 sessions against floor': more(0.55, 0.75),
  'password login against argon2id alone': more(0.93, 0.97),
  'refresh p99 during 64 logins against idle': less(4, 2, '×'),
  'refresh by size, slowest against fastest': more(0.85, 0.95),
  'HOT share of rotation updates': more(0.95, 0.99),
  'bytes a session, indexes included': less(1200, 800, ' B'),
  'growth by 1 M rotations of 10 k sessions': less(40, 15, ' MiB'),
  'start to first token, SQLite': less(2.5, 1.5, ' s'),
  'resident memory after 100 k refreshes': less(220, 160, ' MiB'),
} satisfies Record<string, Target>;

export type FigureName = keyof typeof targets;

/** A measured figure with its targets. */
export function figure(name: FigureName, measured: number, note?: string): Figure {
  return { name, measured, ...targets[name], ...(note === undefined ? {} : { note }) };
}

/** Whether a figure reached its aim, its minimum or neither. */
export function reached({ measured, must, aim, better }: Figure): 'aim' | 'yes' | 'NO' {
  const meets = (bound: number) => (better === 'more' ? measured >= bound : measured <= bound);
  if (meets(aim)) return 'aim';
  return meets(must) ? 'yes' : 'NO';
}

/** A figure as text, with its unit. */
export function format(value: number, unit = ''): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isNaN(value) ? '-' : `${value.toFixed(digits)}${unit}`;
}
