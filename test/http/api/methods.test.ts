// Paths and methods: an unknown path is 404, a method that a path does not have is 405 with Allow.
import { routes } from '../../../src/app.ts';
import { newId } from '../../../src/lib/ids.ts';
import { assertRefused, send } from '../../helpers/client.ts';
import { isActive, signIn } from '../../helpers/oauth.ts';
import { testOnServers } from '../../helpers/server.ts';

const get = ['GET', 'HEAD'];
const enginePaths: Record<string, string[]> = {
  '/token': ['POST'],
  '/introspect': ['POST'],
  '/revoke': ['POST'],
  '/userinfo': ['GET', 'HEAD', 'POST'],
  '/jwks': get,
  '/.well-known/jwks.json': get,
  '/.well-known/openid-configuration': get,
  '/.well-known/oauth-authorization-server': get,
};
const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];

/** Every path of our own API with the methods of its rows. */
function apiPaths(): Record<string, string[]> {
  const paths: Record<string, string[]> = { '/api/openapi.json': [...get] };
  for (const { path, method } of routes) {
    const concrete = `/api${path.replaceAll(/:\w+/g, newId())}`;
    const known = Object.keys(paths).find((one) => sameShape(one, concrete)) ?? concrete;
    paths[known] = [...(paths[known] ?? []), method.toUpperCase(), ...(method === 'get' ? ['HEAD'] : [])];
  }
  return paths;
}

function sameShape(one: string, two: string): boolean {
  const shape = (path: string) => path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '*');
  return shape(one) === shape(two);
}

testOnServers('every path accepts its methods and no others', async (t, server) => {
  const { tokens } = await signIn(server);
  const paths = { ...enginePaths, ...apiPaths() };
  t.true(Object.keys(paths).length > 12);
  for (const [path, allowed] of Object.entries(paths)) {
    for (const method of all.filter((one) => one !== 'OPTIONS' && !allowed.includes(one))) {
      const answer = await send(server.url + path, { method, token: tokens.access_token });
      const message = `${method} ${path}`;
      if (method === 'HEAD') t.is(answer.status, 405, message);
      else assertRefused(t, answer, { status: 405, error: 'method_not_allowed' }, message);
      const said = answer.headers.allow?.split(', ').filter((one) => one !== 'OPTIONS');
      t.deepEqual(said?.toSorted(), allowed.toSorted(), message);
    }
  }
  t.is(await isActive(server, tokens.access_token), true);
});

testOnServers('OPTIONS is answered on every path and changes nothing', async (t, server) => {
  for (const path of Object.keys({ ...enginePaths, ...apiPaths() })) {
    const { status, text } = await send(server.url + path, { method: 'OPTIONS' });
    t.true([200, 204].includes(status), `${path}: ${status}`);
    t.true(text === '' || text === 'OK', text);
  }
});

const nowhere = [
  '/',
  '/nothing',
  '/api',
  '/api/',
  '/api/nothing',
  '/api/sessions/x/y',
  '/api/me/',
  '/API/me',
  '/Token',
  '/token/',
  '//token',
  '/token%00',
  '/%ff%fe',
  '/token/../secret',
  '/__proto__',
  '/constructor',
  '/toString',
  '/api/__proto__',
  '/.env',
  '/data/secret',
  '/token;a=b',
];

testOnServers('an unknown path is 404 for every method', async (t, server) => {
  for (const path of nowhere) {
    for (const method of all) {
      const answer = await send(server.url, { method, path });
      const message = `${method} ${path}`;
      if (method === 'HEAD') t.is(answer.status, 404, message);
      else assertRefused(t, answer, { status: 404, error: 'not_found' }, message);
    }
  }
});

testOnServers('HEAD is GET without its body', async (t, server) => {
  const { tokens } = await signIn(server);
  for (const path of ['/jwks', '/.well-known/openid-configuration', '/api/openapi.json', '/api/sessions']) {
    const asked = await send(server.url + path, { token: tokens.access_token });
    const { status, text, headers } = await send(server.url + path, {
      method: 'HEAD',
      token: tokens.access_token,
    });
    t.deepEqual([status, text], [200, ''], path);
    t.is(headers['content-type'], asked.headers['content-type'], path);
  }
  t.is((await send(`${server.url}/api/sessions`, { method: 'HEAD' })).status, 401);
});

testOnServers('every answer has the security headers and a request id of its own', async (t, server) => {
  const ids = new Set<string>();
  for (const path of ['/jwks', '/api/openapi.json', '/api/me', '/nothing', '/token']) {
    const { headers } = await send(server.url + path, { headers: { 'X-Request-Id': 'mine' } });
    t.like(headers, {
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'same-origin',
    });
    t.regex(String(headers['content-security-policy']), /^default-src 'none';.*frame-ancestors 'none'$/);
    t.is(headers['x-powered-by'], undefined);
    ids.add(String(headers['x-request-id']));
  }
  t.is(ids.size, 5);
  t.false(ids.has('mine'));
});
