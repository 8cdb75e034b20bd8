// The headers of answers in the OpenAPI document: which statuses have which.
import type { Json } from './schemas.ts';

/** The headers among the components. */
export const headers: Record<string, Json> = {
  'X-Request-Id': {
    description: 'The id of the request, as in the log and in the `request_id` of an error.',
    required: true,
    schema: { type: 'string', format: 'uuid' },
  },
  'Retry-After': {
    description: 'The number of seconds after which to try again.',
    required: true,
    schema: { type: 'integer', format: 'int32', minimum: 1 },
  },
  'WWW-Authenticate': {
    description:
      'How to authenticate, and what is wrong with the token (RFC 6750, RFC 9449, RFC 9728). With 403 it is there where the token lacks a scope; where a client authenticates, only if the request used `Authorization`.',
    schema: { type: 'string' },
  },
};

const byStatus: Record<number, string[]> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

/** What Node answers by itself, before any of our code, where the path and the headers together are longer than 16 KiB. */
export const headersTooLarge = {
  431: { description: 'The path and headers are too long; there is no body' },
};

/** An answer with the headers that every answer of this status has. */
export function withHeaders(status: number, response: Json): Json {
  const names = ['X-Request-Id', ...(byStatus[status] ?? [])];
  const refs = names.map((name) => [name, { $ref: `#/components/headers/${name}` }]);
  return { ...response, headers: Object.fromEntries(refs) };
}
