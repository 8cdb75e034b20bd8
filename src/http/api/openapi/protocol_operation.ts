// The pieces from which the endpoints of the protocol are described: schemas of parameters, bodies, answers and errors.
import { headersTooLarge, withHeaders } from './headers.ts';
import type { Json } from './schemas.ts';

/** Endpoints of one topic, and the schemas to which they refer. */
export interface EndpointGroup {
  schemas: Record<string, Json>;
  paths: Record<string, Json>;
}

/** The tag of every endpoint of the protocol. */
export const protocolTag = 'OAuth 2.0 and OpenID Connect';

export const text = (description: string, more: Json = {}): Json => ({
  type: 'string',
  description,
  ...more,
});
export const number = (description: string): Json => ({ type: 'integer', format: 'int64', description });

export const client = {
  client_id: text('the client, unless it authenticates by HTTP Basic'),
  client_secret: text('with `client_secret_post`'),
  client_assertion_type: text('with `private_key_jwt`', {
    enum: ['urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
  }),
  client_assertion: text('with `private_key_jwt`: the signed assertion'),
};

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const json = (name: string, type = 'application/json'): Json => ({
  content: { [type]: { schema: ref(name) } },
});
export const form = (name: string): Json => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: ref(name) } },
});
export const jsonBody = (name: string): Json => ({ required: true, ...json(name) });
/** A page for people. */
export const page: Json = { content: { 'text/html': { schema: { type: 'string' } } } };

/** Answers by their status, with the headers that they have. */
export function ok(responses: Record<number, Json>): Json {
  const all = Object.entries(responses);
  return Object.fromEntries(all.map(([status, one]) => [status, withHeaders(Number(status), one)]));
}

const errors: Record<number, string> = {
  400: 'The request, the grant or the token is refused',
  401: 'The client or the token could not be authenticated',
  403: 'The token does not allow this',
  404: 'There is nothing at this path: the endpoint is switched off',
  413: 'The body is too large',
  415: 'The body has another type',
  429: 'Too many attempts; `Retry-After` says when to try again',
  500: 'Something went wrong on the server',
  503: 'The service is temporarily unavailable; `Retry-After` says when to try again',
};

/** The errors with these statuses and those that every endpoint has. `content` is the form of their bodies. */
export function errorStatuses(...statuses: (keyof typeof errors)[]): Json {
  return errorsAs(json('Error'), statuses);
}

/** The same for an endpoint that people see: a page, or JSON for programs. */
export function pageErrorStatuses(...statuses: (keyof typeof errors)[]): Json {
  const content = {
    'text/html': { schema: { type: 'string' } },
    'application/json': { schema: ref('Error') },
  };
  return errorsAs({ content }, statuses);
}

function errorsAs(body: Json, statuses: (keyof typeof errors)[]): Json {
  const all = [...statuses, 500, 503].map(Number);
  const described = Object.fromEntries(
    all.map((status) => [status, { description: errors[status], ...body }]),
  );
  return { ...ok(described), ...headersTooLarge };
}

export const operation = (operationId: string, summary: string, description: string, more: Json): Json => ({
  operationId,
  tags: [protocolTag],
  summary,
  description,
  ...more,
});
