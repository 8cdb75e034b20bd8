// Cursors: where a list goes on, as an opaque string.
import type { z } from 'zod';
import { AppError } from '../lib/errors.ts';

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
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new AppError('invalid_request', 'cursor: is not one of ours', { cause });
  }
}
