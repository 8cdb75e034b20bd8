// Every endpoint of the server with its parameters, read from the route tables, so that new endpoints are included.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { routes } from '../../../src/app.ts';
import { enginePaths } from '../../../src/http/middleware/engine.ts';
import { accountRoutes } from '../../../src/oidc/pages/account_page.ts';
import { interactionRoutes } from '../../../src/oidc/pages/interactions.ts';
import { recoveryPages } from '../../../src/oidc/pages/recovery_pages.ts';
import { endpoints } from '../fuzzing/endpoints.ts';
import { type References, resolve } from '../fuzzing/references.ts';

export interface Target {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: 'form' | 'json' | 'none';
  /** Its parameters in query or body, each with a value that passes the first checks. */
  fields: Record<string, string>;
}

/** All targets, resolved for one server. */
export function listTargets(references: References): Target[] {
  const known = [...apiTargets(references), ...browserTargets(references)];
  const unknown = plainRows().filter(({ method, path }) => !isHit(known, method, exactly(path)));
  return [...known, ...unknown.map(({ method, path }) => targetOf(method, path))];
}

/** Routes of the engine with a pattern as their path that no target matches: each needs an example. */
export function listMissing(targets: Target[]): string[] {
  const rows = enginePaths.pages.flatMap(([pattern, methods]) =>
    methods.map((method) => ({ pattern, method })),
  );
  const missing = rows.filter(
    ({ method, pattern }) => isAnswered(method) && !isHit(targets, method, pattern),
  );
  return missing.map(({ pattern, method }) => `${method} ${pattern}`);
}

/** The routes of the engine and of the pages whose paths are fixed. */
function plainRows(): { method: string; path: string }[] {
  const endpoints = enginePaths.endpoints.flatMap(([path, methods]) =>
    methods.map((method) => ({ method, path })),
  );
  return [...endpoints, ...pageRoutes()].filter(({ method }) => isAnswered(method));
}

const isAnswered = (method: string) => method !== 'HEAD' && method !== 'OPTIONS';

function isHit(targets: Target[], method: string, pattern: RegExp): boolean {
  return targets.some((one) => one.method === method && pattern.test(one.path));
}

function targetOf(method: string, path: string): Target {
  const body = method === 'POST' ? 'form' : 'none';
  return { method, path: path.replaceAll(/:\w+/g, () => randomUUID()), headers: {}, body, fields: {} };
}

function exactly(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+').replace(/\/$/, '/?')}$`);
}

function apiTargets(references: References): Target[] {
  return routes.map((row): Target => {
    const token = row.auth === 'admin' ? references.admin_token : references.user_token;
    const names = [...membersOf(row.query), ...(row.body ? membersOf(row.body) : [])];
    return {
      method: row.method.toUpperCase(),
      path: `/api${row.path.replaceAll(/:\w+/g, () => randomUUID())}`,
      headers: row.auth === 'public' ? {} : { Authorization: `Bearer ${token}` },
      body: row.body ? 'json' : 'none',
      fields: Object.fromEntries(names.map((name) => [name, ''])),
    };
  });
}

function membersOf(schema: z.ZodType): string[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as {
    properties?: object;
  };
  return Object.keys(properties);
}

/** The routes of the pages, with the names of their parameters. */
function pageRoutes(): { method: string; path: string }[] {
  const deps = { config: { bodyLimit: 1, recovery: true } } as never;
  const stacks = [accountRoutes, interactionRoutes, recoveryPages].map(
    (make) => make(deps, () => ({}) as never).stack,
  );
  return stacks
    .flat()
    .flatMap(({ path, methods }) => methods.map((method) => ({ method, path: String(path) })));
}

function browserTargets(references: References): Target[] {
  const fill = (text: string) => resolve(text, references);
  const known = endpoints.map(({ method, path, fields = {}, isJson, cookies, token }): Target => {
    const given = Object.entries(fields).map(([name, [first = '']]): [string, string] => [name, fill(first)]);
    return {
      method,
      path: `/${path.map(fill).join('/')}`,
      headers: {
        ...(cookies ? { Cookie: fill(cookies) } : {}),
        ...(token ? { Authorization: `Bearer ${fill(token)}` } : {}),
      },
      body: isJson ? 'json' : method === 'POST' ? 'form' : 'none',
      fields: Object.fromEntries(given.filter(([, value]) => value !== '')),
    };
  });
  const posted = (path: string): Target => ({ method: 'POST', path, headers: {}, body: 'form', fields: {} });
  const more = known
    .filter(({ path }) => path === '/logout')
    .map((one): Target => ({ ...one, ...posted('/logout') }));
  const resumed: Target = { ...posted(`/device/${randomUUID()}`), method: 'GET', body: 'none' };
  return [...known, ...more, resumed];
}
