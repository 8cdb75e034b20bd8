// What readers in other languages need of the OpenAPI document: patterns that every dialect compiles, answers that may grow, and
// what each operation requires.
import test from 'ava';
import { routes } from '../../../../src/app.ts';
import { email, login, username } from '../../../../src/core/users/names.ts';
import { openApiDocument } from '../../../../src/http/api/openapi/document.ts';

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
  pattern?: string;
  format?: string;
}
type Content = Record<string, { schema: Schema }>;
interface Operation {
  operationId: string;
  security: Record<string, string[]>[];
  requestBody?: { required: boolean; content: Content };
  responses: Record<string, { content?: Content }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, { type: string }> };
}

const document = openApiDocument('https://id.example.com', routes) as unknown as Document;
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, ...operation })),
);

/** Every value under `key`, anywhere in a part of the document. */
function valuesOf(part: unknown, key: string): unknown[] {
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...valuesOf(inner, key),
  ]);
}

const patterns = [...new Set(valuesOf(document, 'pattern'))].filter((one) => typeof one === 'string');

// Literal characters, `\xhh` and escaped punctuation; classes of them; groups with alternatives; and quantifiers, of which RE2
// allows none above 1000. No lookaround, no properties, no `\u`, no `\s` or `\d`, whose meaning differs.
const literal = String.raw`(?:\\x[0-9a-f]{2}|\\[.*+?^$(){}|/-]|[^\\[\](){}|*+?^$.])`;
const common = new RegExp(
  String.raw`^\^(?:${literal}|\[\^?(?:\\x[0-9a-f]{2}|[^\\\[\]])+\]|\((?!\?)|\)|\||[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})+\$$`,
);

test('every pattern is of the subset that JavaScript, RE2 and Python read alike', (t) => {
  t.true(patterns.length > 10);
  for (const pattern of patterns) {
    t.regex(pattern, common);
    for (const flags of ['', 'u']) t.notThrows(() => new RegExp(pattern, flags), pattern);
  }
  for (const foreign of ['^\\p{L}$', '^\\u0000$', '^(?=a)b$', '^(a)\\1$', '^\\s$', '^a{2000}$', 'a'])
    t.notRegex(foreign, common);
});

test('the patterns of names refuse nothing that the server accepts, and what is wrong in ASCII', (t) => {
  const patternOf = (name: string, member: string) =>
    new RegExp(document.components.schemas[name]?.properties?.[member]?.pattern ?? 'absent', 'u');
  const names = patternOf('NewUser', 'username');
  for (const name of ['ada', 'A.b-c_9', '..a', 'müller', 'почта', '田中', 'e\u0301a', '__1']) {
    t.true(username.safeParse(name).success, name);
    t.regex(name, names);
  }
  for (const name of ['', '..', 'a b', 'a@b', 'a/b', 'a\0', 'a\n', '`a', '{a', 'a\u0085']) {
    t.false(username.safeParse(name).success, name);
    t.notRegex(name, names);
  }
  const addresses = patternOf('NewUser', 'email');
  for (const address of [
    'ada@example.com',
    'müller@почта.рф',
    "o'neill+x@mail.example.org",
    'a.b@x-1.example',
    '\ta=b@_x.de  ',
  ]) {
    t.true(email.safeParse(address).success, address);
    t.regex(address, addresses);
  }
  for (const address of [
    'ada',
    'a@b',
    'a b@c.de',
    'a@b@c.de',
    'a@b.\n',
    '.a@b.de',
    'a..b@c.de',
    'a@b..de',
    '"a"@b.de',
    'a(b)@c.de',
    'a@[::1].de',
  ]) {
    t.false(email.safeParse(address).success, address);
    t.notRegex(address, addresses);
  }
  const logins = patternOf('RecoveryRequest', 'login');
  for (const name of ['ada', ' Ada@example.com\t', '"', 'müller', ' ']) {
    t.true(login.safeParse(name).success, name);
    t.regex(name, logins);
  }
  for (const name of ['a b', 'a\u0000', 'a\n', '\u00a0a']) {
    t.false(login.safeParse(name).success, name);
    t.notRegex(name, logins);
  }
});

/** The names of the schemas to which a part refers, directly or through other schemas. */
function reached(part: unknown, seen = new Set<string>()): Set<string> {
  for (const ref of valuesOf(part, '$ref')) {
    const name = String(ref).split('/').at(-1) ?? '';
    if (!String(ref).includes('/schemas/') || seen.has(name)) continue;
    seen.add(name);
    reached(document.components.schemas[name], seen);
  }
  return seen;
}

test('answers are open to new members, and bodies of our API are closed', (t) => {
  const answered = reached(operations.map((one) => one.responses));
  t.true(answered.has('Session') && answered.has('Client'));
  for (const name of answered)
    t.deepEqual(
      valuesOf(document.components.schemas[name], 'additionalProperties').filter((one) => one === false),
      [],
      name,
    );
  for (const { path, operationId, requestBody } of operations) {
    if (!path.startsWith('/api/') || !requestBody) continue;
    const name = requestBody.content['application/json']?.schema.$ref?.split('/').at(-1) ?? '';
    t.false(document.components.schemas[name]?.additionalProperties, operationId);
  }
});

test('a body is required where members of it are, and only there', (t) => {
  const required = operations.filter((one) => one.path.startsWith('/api/') && one.requestBody?.required);
  t.deepEqual(required.map((one) => one.operationId).toSorted(), [
    'patchDevicesId',
    'postAdminClients',
    'postAdminInvitations',
    'postAdminResourceServers',
    'postAdminUsers',
    'postAdminUsersIdBan',
    'postAdminUsersIdDelete',
    'postAdminUsersIdDisable',
    'postAdminUsersIdForceLogout',
    'postAdminUsersIdPassword',
    'postAdminUsersIdRecoveryLink',
    'postAdminUsersIdUnlock',
    'postMeEmail',
    'postMeEmailVerify',
    'postMePassword',
    'postRecovery',
    'postRecoveryComplete',
    'postSignUp',
    'postSignUpComplete',
  ]);
});

test('every operation says which scope it needs, and by which schemes', (t) => {
  const { securitySchemes } = document.components;
  for (const { path, operationId, security } of operations) {
    for (const name of security.flatMap(Object.keys))
      t.truthy(securitySchemes[name], `${operationId} ${name}`);
    if (!path.startsWith('/api/')) continue;
    const row = routes.find(
      (one) => operationId.startsWith(one.method) && `/api${one.path.replaceAll(/:(\w+)/g, '{$1}')}` === path,
    );
    if (row?.auth === 'public') {
      t.deepEqual(security, [], operationId);
      continue;
    }
    const readers = row?.method === 'get' && row.right !== 'admin:read' ? ['admin:read'] : [];
    const scopes = row?.right ? ['admin', row.right, ...readers] : ['account'];
    const byScope = scopes.map((scope) => ({ oauth2: [scope] }));
    t.deepEqual(security, [...byScope, { bearer: [] }, { dpop: [], dpopProof: [] }], operationId);
  }
});

test('integers of answers have a format or a range of their own', (t) => {
  const schemas = [...reached(operations.map((one) => one.responses))].map(
    (name) => document.components.schemas[name],
  );
  const bounds = [...valuesOf(schemas, 'maximum'), ...valuesOf(schemas, 'minimum')].map(Number);
  t.deepEqual(
    bounds.filter((one) => Math.abs(one) >= Number.MAX_SAFE_INTEGER),
    [],
  );
});
