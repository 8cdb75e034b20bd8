// The form of a request, read before the engine sees it and left for the engine to read again.
import type { IncomingMessage } from 'node:http';
import * as querystring from 'node:querystring';
import type { Context } from 'koa';
import { AppError } from '../lib/errors.ts';

/** The parameters of a form; one that was sent more than once is a list. */
export type Form = Record<string, string | string[] | undefined>;

const type = /^application\/x-www-form-urlencoded *(; *charset *= *"?utf-8"? *)?$/i;

/**
 * Reads a form that announces its length, which must have been limited already. Null for any other body, of which
 * nothing has been read. `giveBack` lets whoever comes next read the body as if it had just arrived.
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
 * Lets the engine read `body` as that of the request. It reads through these two; handing it a parsed body instead makes
 * it warn, and parse the parsed again.
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
