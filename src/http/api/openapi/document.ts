// The OpenAPI 3.1 document: our own API, from the rows of the route tables, and the endpoints of the protocol.
import { z } from 'zod';
import about from '../../../../package.json' with { type: 'json' };
import { type Route, route } from '../routes.ts';
import { examples } from './examples.ts';
import { headers } from './headers.ts';
import { protocolPaths } from './protocol.ts';
import { operation, tags } from './route_operation.ts';
import { collectSchemas, type Json } from './schemas.ts';
import { securitySchemes } from './security.ts';

/** The route that serves the document, which is made at the first request. */
export function openApiRoutes(issuer: string, routes: Route[]): Route[] {
  let document: Json | null = null;
  return [
    route({
      method: 'get',
      path: '/openapi.json',
      auth: 'public',
      summary: 'This document',
      response: z.unknown(),
      handler: async () => {
        document ??= openApiDocument(issuer, routes);
        return document;
      },
    }),
  ];
}

const description = `This document describes two things.

**The endpoints of OAuth 2.0 and OpenID Connect**: tokens, introspection, revocation, the code and device flows. They accept forms and return JSON. Most programs use them through a library, which reads \`/.well-known/openid-configuration\`.

**The API below \`/api\`**: a user's profile, sessions, devices and consents, with an access token that has the scope \`account\`; and administration of users, sessions, clients, resource servers and signing keys, the audit trail and statistics, with an access token that has the scope \`admin\`. It accepts and returns JSON.

Every error has the members \`error\`, \`error_description\` and \`request_id\`, and \`reason\` where the caller may know it. Lists are paged: pass \`next_cursor\` as \`cursor\` for the next page; it is null on the last one. A cursor is opaque and only good for the list that issued it.

What the schemas cannot say: no text may contain NUL (U+0000), members that a schema does not know are refused in JSON bodies below \`/api\` and ignored elsewhere, and answers may get new members at any time. A request with more than 50 query parameters is answered with 400, one with more than 16 KiB of headers and path with 431 and an empty body, and a method that a path does not have with 405 and \`Allow\`.`;

/** Describes `routes` and the endpoints of the protocol as OpenAPI 3.1. */
export function openApiDocument(issuer: string, routes: Route[]): Json {
  const schemas = collectSchemas();
  const paths: Record<string, Json> = {};
  for (const row of routes) {
    const path = `/api${row.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [row.method]: operation(schemas, row) };
  }
  const protocol = protocolPaths();
  const named = Object.entries(schemas.collected()).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Kindred',
      version: about.version,
      description,
      contact: { name: 'The operator of this server', url: issuer },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: issuer }],
    tags: [...protocol.tags, ...tags.map(([, name, what]) => ({ name, description: what }))],
    paths: { ...protocol.paths, ...paths },
    components: {
      securitySchemes: securitySchemes(issuer),
      headers,
      schemas: {
        Error: errorSchema,
        ...protocol.schemas,
        ...Object.fromEntries(named.map(([name, schema]) => [name, withExample(name, schema)])),
      },
    },
  };
}

function withExample(name: string, schema: Json): Json {
  return Object.hasOwn(examples, name) ? { ...schema, examples: [examples[name]] } : schema;
}

const errorSchema = {
  type: 'object',
  required: ['error', 'error_description', 'request_id'],
  properties: {
    error: { type: 'string', description: 'an error code, that of OAuth where there is one' },
    error_description: { type: 'string', description: 'what is wrong, for developers' },
    reason: { type: 'string', description: 'a stable code for the cause, where the caller may know it' },
    ended_reason: {
      type: 'string',
      description: 'beside the reason `session_ended`: why the session of the refresh token ended',
    },
    request_id: {
      type: 'string',
      description: 'the id of the request, as in the X-Request-Id header and in the log',
    },
  },
};
