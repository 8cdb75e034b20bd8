// Requests to the API, generated from its OpenAPI document: valid ones, then altered.
import { fc } from '../../helpers/fuzzing.ts';
import { authorization, contentType, method, oddHeaders } from './headers.ts';
import { secretNames } from './references.ts';
import type { Body, FuzzRequest, Pair } from './request.ts';
import { type Schema, valueFor } from './schema_values.ts';
import { publicText, text } from './values.ts';

interface Operation {
  security?: object[];
  parameters: { name: string; in: string; required: boolean; schema: Schema }[];
  requestBody?: { content: { 'application/json': { schema: Schema } } };
}

export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
}

/** A request to any operation of the API; engine_requests.ts fuzzes the endpoints of the protocol. */
export function apiRequest({ paths }: ApiDocument): fc.Arbitrary<FuzzRequest> {
  const own = Object.entries(paths).filter(([path]) => path.startsWith('/api/'));
  const all = own.flatMap(([path, item]) =>
    Object.entries(item).map(([name, operation]) => requestTo(name.toUpperCase(), path, operation)),
  );
  return fc.oneof(...all);
}

function requestTo(own: string, path: string, operation: Operation): fc.Arbitrary<FuzzRequest> {
  const { parameters, requestBody } = operation;
  const schema = requestBody?.content['application/json'].schema;
  return fc.record({
    method: method(own),
    path: segments(path, parameters),
    query: query(parameters.filter((one) => one.in === 'query')),
    isRaw: fc.boolean(),
    headers: fc
      .tuple(
        authorization(path.startsWith('/api/admin') ? '{{admin_token}}' : '{{user_token}}'),
        schema ? contentType('application/json') : fc.constant<Pair[]>([]),
        oddHeaders,
      )
      .map((lists) => lists.flat()),
    body: schema ? bodyFor(schema) : fc.oneof({ weight: 9, arbitrary: fc.constant(none) }, anyBody),
  });
}

const none: Body = { kind: 'none' };

function segments(path: string, parameters: Operation['parameters']): fc.Arbitrary<string[]> {
  const parts = path.slice(1).split('/');
  return fc.tuple(
    ...parts.map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      const schema = parameters.find((one) => one.name === name)?.schema ?? {};
      if (!name) return fc.constant(part);
      return fc.oneof(
        { weight: 4, arbitrary: valueFor(schema, name).map(asPublic) },
        { weight: 1, arbitrary: publicText.map(asPublic) },
      );
    }),
  );
}

// The log records paths, so a path holds no token; it must also fit into Node's limit for headers.
function asPublic(value: unknown): string {
  const said = String(value).slice(0, 4_000);
  return secretNames.some((name) => said.includes(name)) ? '{{session_id}}' : said;
}

function query(parameters: Operation['parameters']): fc.Arbitrary<Pair[]> {
  const known = parameters.map(({ name, schema }) =>
    fc.option(
      valueFor(schema, name).map(
        (value): Pair => [name, typeof value === 'string' ? value : JSON.stringify(value)],
      ),
      { freq: 1 },
    ),
  );
  const names = [...parameters.map((one) => one.name), 'a[]', '__proto__', 'constructor', ''];
  const more = fc.array(fc.tuple(fc.constantFrom(...names), text), { maxLength: 2 });
  return fc
    .tuple(fc.tuple(...known), fc.oneof({ weight: 5, arbitrary: fc.constant<Pair[]>([]) }, more))
    .map(([one, other]) => [...one.filter((pair) => pair !== null), ...other]);
}

function bodyFor(schema: Schema): fc.Arbitrary<Body> {
  return fc.oneof(
    { weight: 8, arbitrary: valueFor(schema).map((value): Body => ({ kind: 'json', value: value ?? null })) },
    { weight: 1, arbitrary: anyBody },
  );
}

/** Bytes that are hardly a valid body. */
export const anyBody: fc.Arbitrary<Body> = fc.oneof(
  fc.array(fc.nat(255), { maxLength: 60 }).map((bytes): Body => ({ kind: 'bytes', bytes })),
  fc
    .constantFrom(
      '{',
      '{"a":1}{}',
      '[[[[',
      '{"a":1,"a":2}',
      '\ufeff{}',
      '"\\ud800"',
      'nul',
      '{"__proto__":{"a":1}}',
      '{}',
    )
    .map((one): Body => ({ kind: 'text', text: one })),
);
