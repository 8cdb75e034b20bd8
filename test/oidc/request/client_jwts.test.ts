// The rules for assertions and request objects of clients without a security profile: one audience, and clocks that differ a little.
import { assertionOf, assertWith, makeKeyClient, nowInSeconds, signedBy } from '../../helpers/assertions.ts';
import { send } from '../../helpers/client.ts';
import { callback } from '../../helpers/code_flow.ts';
import { requestOf } from '../../helpers/fapi.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';

const client = { redirect_uris: [callback] };

testOnServers(
  'a client whose clock is eight seconds ahead is authentic, at every endpoint',
  async (t, server) => {
    const app = await makeKeyClient(server, { ...client, resource_server: '*' });
    const ahead = () => ({ iat: nowInSeconds() + 8, nbf: nowInSeconds() + 8, exp: nowInSeconds() + 68 });
    const sent = { ...requestOf(app), token: 'x' };
    const expected = { '/par': 201, '/introspect': 200, '/revoke': 200 };
    for (const [path, status] of Object.entries(expected)) {
      const assertion = await assertionOf(app, server.issuer, ahead());
      const answer = await send(server.url + path, { form: { ...sent, ...assertWith(assertion) } });
      t.is(answer.status, status, `${path} ${answer.text}`);
    }
  },
);

testOnServers(
  'an assertion from the future or for two audiences is refused with the reason',
  async (t, server) => {
    const app = await makeKeyClient(server, { ...client, resource_server: '*' });
    const hour = nowInSeconds() + 3_600;
    const cases: [unknown, Record<string, unknown>, RegExp][] = [
      [
        server.issuer,
        { iat: hour, exp: hour + 60 },
        /^The assertion is not valid yet: its iat is \d+ seconds ahead/,
      ],
      [
        server.issuer,
        { nbf: nowInSeconds() + 90, exp: hour },
        /^The assertion is not valid yet: its nbf is \d+ seconds ahead/,
      ],
      [server.issuer, { exp: nowInSeconds() - 1 }, /^The assertion has expired\.$/],
      [[server.issuer, 'https://other.example'], {}, /^The assertion has more than one audience\.$/],
      [[server.issuer, server.issuer], {}, /^The assertion has more than one audience\.$/],
    ];
    for (const path of ['/par', '/token', '/introspect', '/revoke']) {
      for (const [aud, claims, reason] of cases) {
        const form = { ...requestOf(app), grant_type: 'client_credentials', token: 'x' };
        const assertion = await assertionOf(app, aud, claims);
        const answer = await send(server.url + path, { form: { ...form, ...assertWith(assertion) } });
        t.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'], path);
        t.regex(String(answer.body.error_description), reason, path);
      }
    }
  },
);

testOnServers('a forger learns nothing from a refused assertion', async (t, server) => {
  const app = await makeKeyClient(server, client);
  const forger = await makeKeyClient(server, client);
  const assertion = await assertionOf({ ...forger, client_id: app.client_id }, [server.issuer, 'x'], {
    nbf: 9e9,
  });
  const answer = await send(`${server.url}/par`, { form: { ...requestOf(app), ...assertWith(assertion) } });
  t.is(answer.status, 401);
  t.is(answer.body.error_description, 'client authentication failed');
});

/** POST /par with a request object that has these claims beside the usual ones. */
async function pushObject(server: TestServer, claims: Record<string, unknown>) {
  const app = await makeKeyClient(server, client);
  const common = { iss: app.client_id, aud: server.issuer, exp: nowInSeconds() + 60 };
  const request = await signedBy(app, { ...requestOf(app), ...common, ...claims });
  const form = { client_id: app.client_id, request, ...assertWith(await assertionOf(app, server.issuer)) };
  return await send(`${server.url}/par`, { form });
}

testOnServers(
  'a request object may be eight seconds ahead, and needs no nbf and no exp',
  async (t, server) => {
    for (const claims of [
      { iat: nowInSeconds() + 8, nbf: nowInSeconds() + 8 },
      { exp: undefined },
      { exp: nowInSeconds() + 86_400, nbf: nowInSeconds() - 86_400 },
    ]) {
      const answer = await pushObject(server, claims);
      t.is(answer.status, 201, `${JSON.stringify(claims)} ${answer.text}`);
    }
    for (const claims of [
      { nbf: nowInSeconds() + 90 },
      { iat: nowInSeconds() + 90 },
      { exp: nowInSeconds() - 1 },
    ]) {
      const answer = await pushObject(server, claims);
      t.deepEqual([answer.status, answer.body.error], [400, 'invalid_request_object'], answer.text);
      t.regex(String(answer.body.error_description), /^The request object (is not valid yet|has expired)/);
    }
  },
);

testOnServers('require_pkce binds one client to PKCE, and leaves the others', async (t, server) => {
  const bound = await makeKeyClient(server, { ...client, require_pkce: true });
  const free = await makeKeyClient(server, client);
  const pushWith = async (app: typeof bound, given: object) => {
    const form = { ...requestOf(app, { ...given }), ...assertWith(await assertionOf(app, server.issuer)) };
    return (await send(`${server.url}/par`, { form })).status;
  };
  const without = { code_challenge: undefined, code_challenge_method: undefined };
  t.deepEqual(
    [await pushWith(bound, without), await pushWith(bound, { code_challenge_method: 'plain' })],
    [400, 400],
  );
  t.deepEqual([await pushWith(bound, {}), await pushWith(free, without)], [201, 201]);
});
