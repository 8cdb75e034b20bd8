// One row of a route table as an operation of the OpenAPI document: its tag, parameters, body and answers.
import type { z } from 'zod';
import type { AdminRight } from '../../../core/clients/own_scopes.ts';
import { AppError, type ErrorName } from '../../../lib/errors.ts';
import type { Route } from '../routes.ts';
import { headersTooLarge, withHeaders } from './headers.ts';
import type { Json, SchemaCollector } from './schemas.ts';
import { tokenSecurity } from './security.ts';

/** The tags of the document. A row has the first tag whose prefix its path begins with. */
export const tags: [prefix: string, name: string, description: string][] = [
  ['/me', 'Profile', 'The profile and password of the calling user.'],
  ['/recovery', 'Recovery', 'A new password for a user who has forgotten the old one.'],
  ['/sessions', 'Sessions', 'The sessions of the calling user, one for each login.'],
  ['/devices', 'Devices', 'The devices on which the calling user has logged in.'],
  ['/consents', 'Consents', 'The third-party apps to which the calling user has given access.'],
  [
    '/browser-sessions',
    'Browser sessions',
    'The browsers in which the calling user is signed in at the pages of this server.',
  ],
  ['/sign-up', 'Sign-up', 'Creating an account, where people do so themselves (`SIGN_UP=open`).'],
  ['/admin/users', 'Administration: users', 'Find, create, change, ban, disable and delete users.'],
  [
    '/admin/invitations',
    'Administration: invitations',
    'Invite people, with the rights that they are to have.',
  ],
  ['/admin/sessions', 'Administration: sessions', 'The sessions of any user.'],
  ['/admin/clients', 'Administration: clients', 'Register and change OAuth clients and their secrets.'],
  ['/admin/resource-servers', 'Administration: resource servers', 'The APIs that accept access tokens.'],
  ['/admin/keys', 'Administration: signing keys', 'List and rotate the signing keys.'],
  [
    '/admin/events',
    'Administration: audit trail',
    'What happened, to whom and by whom. A search stops after two seconds: a page may then be short or empty and have a `next_cursor`.',
  ],
  [
    '/admin/outbox',
    'Administration: messages',
    'Mails and logout tokens that wait for their delivery, or were given up.',
  ],
  ['/admin/stats', 'Administration: figures', 'Live sessions, logins and refreshes.'],
];

/** Describes a row; the schemas that have a name go to `schemas`. */
export function operation(schemas: SchemaCollector, row: Route): Json {
  const tag = tagOf(row);
  return {
    operationId: operationId(row),
    ...(tag ? { tags: [tag] } : {}),
    summary: row.summary,
    description: describeCallers(row),
    security: securityOf(row),
    parameters: [...parameters(schemas, 'path', row.params), ...parameters(schemas, 'query', row.query)],
    ...(row.body ? { requestBody: requestBody(schemas, row.body) } : {}),
    responses: responses(schemas, row),
  };
}

function tagOf({ path }: Route): string | undefined {
  if (path === '/logout') return 'Sessions';
  return tags.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1];
}

function securityOf(row: Route): Json[] {
  if (row.auth === 'public') return [];
  return row.right === null ? tokenSecurity('account') : tokenSecurity('admin', ...rightsOf(row));
}

function rightsOf({ method, right }: Route): AdminRight[] {
  if (right === null) return [];
  return method === 'get' && right !== 'admin:read' ? [right, 'admin:read'] : [right];
}

function describeCallers(row: Route): string {
  if (row.auth === 'public') return 'Needs no access token.';
  if (row.right === null) return 'Needs the access token of a user, with the scope `account`.';
  const rights = rightsOf(row)
    .map((right) => `\`${right}\``)
    .join(' or ');
  const proof = row.method === 'get' ? '' : ' The user has logged in within the last 15 minutes.';
  return `Needs an access token with the scope \`admin\` or ${rights}, of a user with the role \`admin\` or this permission, or of a confidential client.${proof}`;
}

function operationId(row: Route): string {
  const words = row.path.split(/[/:_-]+/).filter(Boolean);
  return [row.method, ...words]
    .map((word, at) => (at === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join('');
}

function requestBody(schemas: SchemaCollector, body: z.ZodType): Json {
  const isOptional = body.safeParse({}).success;
  const content = { 'application/json': { schema: schemas.describe(body, 'input') } };
  return { required: !isOptional, content };
}

function parameters(schemas: SchemaCollector, place: 'path' | 'query', schema: z.ZodType): Json[] {
  const { properties = {}, required = [] } = schemas.describe(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description: what, ...inner }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    description: what ?? descriptions[name] ?? name,
    schema: inner,
  }));
}

// Descriptions of parameters whose schema has none.
const descriptions: Record<string, string> = {
  limit: 'the largest number of items',
  id: 'the id',
  client_id: 'the id of the client',
  user_id: 'only events of this user',
  session_id: 'only events of this session',
  type: 'only events of this type',
  search: 'the beginning of a username or an e-mail address',
  status: 'only users with this status',
};

const successes: Record<number, string> = {
  200: 'Success',
  201: 'Created',
  202: 'Accepted; the answer is the same whether anything was sent',
  204: 'Success; the response has no body',
};

function responses(schemas: SchemaCollector, row: Route): Json {
  const what = successes[row.status] ?? 'Success';
  const success = row.response
    ? {
        description: what,
        content: { 'application/json': { schema: schemas.describe(row.response, 'output') } },
      }
    : {
        description: what,
        ...(row.stream ? { content: { [row.stream]: { schema: { type: 'string' } } } } : {}),
      };
  return {
    [row.status]: withHeaders(row.status, success),
    ...errorResponses(errorsOf(row)),
    ...headersTooLarge,
  };
}

/** The errors by their status, each with an example of its body. */
function errorResponses(names: ErrorName[]): Json {
  const all: Record<string, Json> = {};
  const known = [...new Set(names)].map((name) => ({ name, refusal: new AppError(name) }));
  for (const [status, some = []] of Object.entries(Object.groupBy(known, (one) => one.refusal.status))) {
    const shown = some.map(({ name, refusal: { error, message } }) => [
      name,
      { summary: message, value: { error, error_description: message, request_id } },
    ]);
    all[status] = withHeaders(Number(status), {
      description: some.map(({ refusal }) => refusal.message).join(' '),
      content: {
        'application/json': {
          schema: { $ref: '#/components/schemas/Error' },
          examples: Object.fromEntries(shown),
        },
      },
    });
  }
  return all;
}

const request_id = '6f0a1c1e-63c5-4a0c-9c0e-2d6d5f6f7a10';

function errorsOf(row: Route): ErrorName[] {
  const checked: ErrorName[] = row.body
    ? ['invalid_request', 'invalid_json', 'body_too_large', 'unsupported_media_type']
    : ['invalid_request'];
  const guarded: ErrorName[] = row.auth === 'public' ? [] : ['invalid_token', 'insufficient_scope'];
  if (row.right !== null && row.method !== 'get') guarded.push('insufficient_user_authentication');
  return [...checked, ...guarded, ...row.errors, 'server_error', 'unavailable'];
}
