// Pages of a list: the cursor at which the next page begins is an opaque string.
import type { z } from 'zod';
import { AppError } from '../../lib/errors.ts';

/** A page of a list, and the cursor of the next page; null on the last page. */
export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

/**
 * The first `limit` of the rows found. The caller asks for one row more than that: a further row means that there is another
 * page, which begins after the position of the last item.
 */
export function pageOf<Item>(found: Item[], limit: number, position: (last: Item) => unknown): Page<Item> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next_cursor: last && found.length > limit ? encodeCursor(position(last)) : null };
}

/** The cursor of a position; {@link pageOf} makes it for lists whose pages are always full. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** The position in a cursor, of the shape of `schema`; refuses anything else with `invalid_request`. */
export function decodeCursor<Schema extends z.ZodType>(
  cursor: string | undefined,
  schema: Schema,
): z.output<Schema> | undefined {
  if (cursor === undefined) return undefined;
  try {
    const text = Buffer.from(cursor, 'base64url').toString('utf8');
    // Postgres refuses NUL in a text, with an error that would be answered with 500.
    if (text.includes('\\u0000')) throw new Error('NUL');
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('invalid_request', 'cursor: must be one that this server issued', { cause });
  }
}
