// The bars of the figures, in the order in which the bench prints them: a minimum that each must reach, and an aim. No other
// file of the bench has one.

export interface Bar {
  must: number;
  aim: number;
  /** The better direction. */
  better: 'more' | 'less';
  unit: string;
}

const more = (must: number, aim: number, unit = ''): Bar => ({ must, aim, better: 'more', unit });
const less = (must: number, aim: number, unit = ''): Bar => ({ must, aim, better: 'less', unit });

export const bars = {
  'plain refresh against floor': more(0.75, 0.85),
  'plain refresh against node_oauth': more(1.7, 2, '×'),
  'plain refresh against stock': more(3, 3.5, '×'),
  'openid refresh against plain refresh': more(0.75, 0.85),
  'openid refresh against stock with an ID token': more(2, 3, '×'),
  'openid refresh with RS256 against floor': more(0.2, 0.25),
  'plain refresh p99 beside 100 RS256 refreshes a second, against alone': less(1.5, 1.5, '×'),
  'DPoP refresh against plain refresh': more(0.45, 0.55),
  'opaque refresh against plain refresh': more(0.7, 0.85),
  'openid refresh against floor': more(0.45, 0.6),
  'opaque refresh against floor': more(0.45, 0.6),
  'third-party refresh against floor': more(0.45, 0.6),
  'DPoP refresh against floor': more(0.35, 0.45),
  'introspection, repeated JWT, against floor': more(0.85, 0.95),
  'introspection, new JWT of another node, against floor': more(0.5, 0.6),
  'introspection, new JWT of the same node, against floor': more(0.5, 0.6),
  'introspection, repeated opaque token, against floor': more(0.5, 0.7),
  'introspection, new opaque token, against floor': more(0.5, 0.7),
  'revocation against floor': more(0.65, 0.85),
  'revocation p50 behind logins against node_oauth': less(1, 0.6, '×'),
  'client_credentials against plain refresh': more(0.6, 0.8),
  'code flow: CPU of the server beyond the password hash': less(6, 4, ' ms'),
  'code flow: CPU of Postgres': less(3, 2, ' ms'),
  'list of 5 sessions against floor, aged database': more(0.6, 0.75),
  'growth by 1 M rotations of 10 k sessions': less(50, 30, ' MiB'),
  'bytes a session after eight rotations': less(2400, 1800, ' B'),
  'trail search, slowest filter, p99, aged database': less(50, 15, ' ms'),
  'user search, slowest, p99, aged database': less(50, 15, ' ms'),
  '/metrics, p99, aged database': less(50, 15, ' ms'),
  'SQLite plain refresh against Postgres': more(0.5, 0.7),
  'resident memory after 100 k refreshes': less(170, 150, ' MiB'),
  'start to first token, SQLite': less(1.3, 1, ' s'),
  'password login against argon2id alone': more(0.93, 0.97),
  'plain refresh p99 during 64 logins, against idle': less(4, 2, '×'),
  'plain refresh by size of the table, slowest against fastest': more(0.85, 0.95),
  'HOT share of rotation updates': more(0.95, 0.99),
  'bytes a session, indexes included': less(1200, 800, ' B'),
} satisfies Record<string, Bar>;

export type FigureName = keyof typeof bars;
