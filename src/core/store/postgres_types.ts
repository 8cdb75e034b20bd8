// How the driver reads numbers and times of Postgres. Importing this file sets the parsers of the whole process.
import pg from 'pg';

// By default count(*) and int8 are strings; no count of Kindred exceeds 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// A row of a list has three or four times, and the driver's parser takes as long for one as for the rest of the row. It still
// reads times in another form than a connection in UTC gives (a year before 1000, another zone).
const parseTime = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ);
const utc = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?\+00$/;
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) =>
  utc.test(text) ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : parseTime(text),
);

/** Converts a time as Postgres writes it to the form of `Date.toISOString` (ISO 8601, milliseconds, UTC). */
export function toIsoTime(text: string): string {
  if (!utc.test(text)) return parseTime(text).toISOString();
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).padEnd(3, '0')}Z`;
}
