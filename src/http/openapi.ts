// The OpenAPI 3.1 document of our own API, made from the same rows that are served.
import { z } from 'zod';
import { AppError, type ErrorName } from '../lib/errors.ts';
import { type Route, route } from './routes.ts';

type Json = Record<string, unknown>;

/** The routes that serve the document. */
export function openApiRoutes(issuer: string, routes: Route[]): Route[] {
  const document = openApiDocument(issuer, routes);
  return [
    route({
      method: 'get',
      path: '/openapi.json',
      auth: 'public',
      summary: 'This document',
      response: z.unknown(),
      handler: async () => document,
    }),
  ];
}

/** Describes `routes` as OpenAPI 3.1. */
export function openApiDocument(issuer: string, routes: Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const row of routes) {
    const path = `/api${row.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [row.method]: operation(row) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Kindred',
      version: '1',
      description: 'Profile, sessions and devices of the user who calls.',
    },
    servers: [{ url: issuer }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Error: errorSchema },
    },
  };
}

const errorSchema = {
  type: 'object',
  required: ['error', 'error_description', 'request_id'],
  properties: {
    error: { type: 'string' },
    error_description: { type: 'string' },
    reason: { type: 'string', description: 'a stable machine word, for whoever may know' },
    request_id: { type: 'string' },
  },
};

function operation(row: Route): Json {
  return {
    operationId: operationId(row),
    summary: row.summary,
    ...(row.auth === 'public' ? { security: [] } : {}),
    parameters: [...parameters('path', row.params), ...parameters('query', row.query)],
    ...(row.body
      ? { requestBody: { content: { 'application/json': { schema: schemaOf(row.body, 'input') } } } }
      : {}),
    responses: responses(row),
  };
}

function operationId(row: Route): string {
  const words = row.path.split(/[/:_]+/).filter(Boolean);
  return [row.method, ...words]
    .map((word, at) => (at === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join('');
}

function parameters(place: 'path' | 'query', schema: z.ZodType): Json[] {
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Json;
    required?: string[];
  };
  return Object.entries(properties).map(([name, inner]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: inner,
  }));
}

function responses(row: Route): Json {
  const success = row.response
    ? { description: 'done', content: { 'application/json': { schema: schemaOf(row.response, 'output') } } }
    : { description: 'done' };
  const all: Record<string, Json> = { [row.status]: success };
  for (const [status, names] of Object.entries(
    Object.groupBy(refusals(row), (name) => new AppError(name).status),
  )) {
    all[status] = {
      description: names?.map((name) => new AppError(name).message).join('; ') ?? '',
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    };
  }
  return all;
}

function refusals(row: Route): ErrorName[] {
  const checked: ErrorName[] = row.body
    ? ['invalid_request', 'body_too_large', 'unsupported_media_type']
    : ['invalid_request'];
  const guarded: ErrorName[] = row.auth === 'public' ? [] : ['invalid_token', 'insufficient_scope'];
  return [...checked, ...guarded, ...row.errors];
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...made } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema }) => {
      // A name would make references into a place of the document that each operation does not have.
      delete jsonSchema.id;
    },
  });
  return made;
}
