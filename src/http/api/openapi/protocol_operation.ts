// The pieces from which the endpoints of the protocol are described: schemas of parameters, bodies, answers and errors.
import type { Json } from './schemas.ts';

/** Endpoints of one topic, and the schemas to which they refer. */
export interface EndpointGroup {
  schemas: Record<string, Json>;
  paths: Record<string, Json>;
}

/** The tag of every endpoint of the protocol. */
export const protocolTag = 'OAuth 2.0 and OpenID Connect';

/** The client authenticates by HTTP Basic, by a secret or an assertion in the form, or gives its client_id alone. */
export const clientSecurity = [{ client: [] }, {}];

export const text = (description: string, more: Json = {}): Json => ({
  type: 'string',
  description,
  ...more,
});
export const number = (description: string): Json => ({ type: 'integer', description });

export const client = {
  client_id: text('the client, unless it authenticates by HTTP Basic'),
  client_secret: text('with `client_secret_post`'),
  client_assertion_type: text('with `private_key_jwt`', {
    enum: ['urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
  }),
  client_assertion: text('with `private_key_jwt`: the signed assertion'),
};

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const json = (name: string): Json => ({
  content: { 'application/json': { schema: ref(name) } },
});
export const form = (name: string): Json => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: ref(name) } },
});

const errors: Record<number, string> = {
  400: 'The request, the grant or the token is refused',
  401: 'The client or the token could not be authenticated',
  403: 'The token does not allow this',
  429: 'Too many attempts; `Retry-After` says when to try again',
  500: 'Something went wrong on the server',
  503: 'The service is temporarily unavailable; `Retry-After` says when to try again',
};

export function errorStatuses(...statuses: (keyof typeof errors)[]): Json {
  const all = [...statuses, 500, 503];
  return Object.fromEntries(
    all.map((status) => [status, { description: errors[Number(status)], ...json('Error') }]),
  );
}

export const operation = (operationId: string, summary: string, description: string, more: Json): Json => ({
  operationId,
  tags: [protocolTag],
  summary,
  description,
  ...more,
});
