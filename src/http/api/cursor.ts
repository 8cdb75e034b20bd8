// Cursors: where a list goes on, as an opaque string.
import type { z } from 'zod';
import { AppError } from '../../lib/errors.ts';

/** Packs a position into a cursor. */
export function packCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Reads a cursor of the shape `schema`; refuses anything else as `invalid_request`. */
export function readCursor<Schema extends z.ZodType>(
  cursor: string | undefined,
  schema: Schema,
): z.output<Schema> | undefined {
  if (cursor === undefined) return undefined;
  try {
    const text = Buffer.from(cursor, 'base64url').toString('utf8');
    // Postgres could not even look for it.
    if (text.includes('\\u0000')) throw new Error('NUL');
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('invalid_request', 'cursor: is not one of ours', { cause });
  }
}
