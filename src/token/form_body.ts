// Reads the form of a request before the engine, which can still read it afterwards.
import type { IncomingMessage } from 'node:http';
import * as querystring from 'node:querystring';
import type { Context } from 'koa';
import { AppError } from '../lib/errors.ts';

/** The parameters of a form; one that was sent more than once is a list. */
export type Form = Record<string, string | string[] | undefined>;

const type = /^application\/x-www-form-urlencoded *(; *charset *= *"?utf-8"? *)?$/i;

/**
 * Reads a form with a Content-Length, which must have been limited before. Null for any other body, which is left unread.
 * `giveBack` makes the body readable again for the next middleware.
 */
export async function readForm(ctx: Context): Promise<{ form: Form; giveBack: () => void } | null> {
  if (!type.test(ctx.get('content-type')) || ctx.request.length === undefined) return null;
  const body = await readBody(ctx.req, ctx.request.length);
  return { form: querystring.parse(body.toString()), giveBack: () => giveBody(ctx.req, body) };
}

function readBody(request: IncomingMessage, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const broken = () => reject(new AppError('invalid_request', 'The request body is incomplete.'));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('error', broken).once('close', broken);
    request.once('end', () => {
      request.off('error', broken).off('close', broken);
      const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
      if (body.length === length) resolve(body);
      else broken();
    });
  });
}

/**
 * Makes `body` readable as the body of the request. The engine reads through these two properties; given a parsed body
 * instead, it prints a warning and parses it again.
 */
export function giveBody(request: IncomingMessage, body: Buffer): void {
  Object.defineProperties(request, {
    readable: { value: true, configurable: true },
    iterator: {
      configurable: true,
      value: async function* () {
        yield body;
      },
    },
  });
}
