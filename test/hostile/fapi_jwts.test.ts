// Attacks on the JWTs of FAPI 2.0 clients: assertions for others or by weak algorithms, request objects that live too long.
import { exportJWK, generateKeyPair, importJWK } from 'jose';
import { assertionOf, assertWith, type KeyClient, nowInSeconds, signedBy } from '../helpers/assertions.ts';
import { send } from '../helpers/client.ts';
import { type FapiClient, makeDpopClient, push, requestOf } from '../helpers/fapi.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

/** A client that has an RSA key, named `rsa`, beside its own. */
async function makeTwoKeyClient(server: TestServer) {
  const weak = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(weak.publicKey)), kid: 'rsa', use: 'sig' };
  const client = await makeDpopClient(server, { jwks: { keys: [jwk] }, resource_server: '*' });
  const privateKey = await importJWK(await exportJWK(weak.privateKey), 'PS256');
  if (privateKey instanceof Uint8Array) throw new Error('not a private key');
  const { client_id } = client;
  const strong = { ...weak, privateKey };
  return { client, weak: { client_id, key: weak }, strong: { client_id, key: strong } };
}

/** The status of a request at each endpoint that authenticates clients, and what the answers say. */
async function presentEverywhere(client: FapiClient, make: () => Promise<string>) {
  const found: { path: string; status: number; says: unknown }[] = [];
  for (const path of ['/par', '/token', '/introspect', '/revoke']) {
    const form = { ...requestOf(client), grant_type: 'refresh_token', refresh_token: 'x', token: 'x' };
    const { status, body } = await send(client.server.url + path, {
      form: { ...form, ...assertWith(await make()) },
    });
    found.push({ path, status, says: body.error_description });
  }
  return found;
}

testOnServers(
  'an assertion of the profile is for the issuer alone, by a strong algorithm',
  async (t, server) => {
    const { client, weak, strong } = await makeTwoKeyClient(server);
    const { issuer } = server;
    const ahead = (seconds: number) => ({ iat: nowInSeconds() + seconds, nbf: nowInSeconds() + seconds });
    const onlyIssuer = `The assertion must have the issuer ${issuer} as its only audience, as a string.`;
    const bad: [string, () => Promise<string>, string | RegExp][] = [
      ['an array', () => assertionOf(client, [issuer]), onlyIssuer],
      ['the token endpoint', () => assertionOf(client, `${issuer}/token`), onlyIssuer],
      [
        'two',
        () => assertionOf(client, [issuer, 'https://other.example']),
        'The assertion has more than one audience.',
      ],
      ['61 s ahead', () => assertionOf(client, issuer, ahead(61)), /is not valid yet/],
      ['RS256', () => assertionOf(weak, issuer, {}, { alg: 'RS256', kid: 'rsa' }), /PS256, ES256 or EdDSA/],
    ];
    for (const [title, make, says] of bad) {
      for (const answer of await presentEverywhere(client, make)) {
        t.is(answer.status, 401, `${title} ${answer.path}`);
        if (typeof says === 'string') t.is(answer.says, says);
        else t.regex(String(answer.says), says);
      }
    }
    const good: [string, () => Promise<string>][] = [
      ['8 s ahead', () => assertionOf(client, issuer, ahead(8))],
      ['PS256', () => assertionOf(strong, issuer, {}, { alg: 'PS256', kid: 'rsa' })],
    ];
    for (const [title, make] of good) {
      const statuses = (await presentEverywhere(client, make)).map(({ status }) => status);
      t.deepEqual(statuses, [201, 400, 200, 200], title);
    }
  },
);

testOnServers('the URL of an endpoint is no audience there', async (t, server) => {
  const client = await makeDpopClient(server, { resource_server: '*' });
  for (const path of ['/par', '/introspect', '/revoke']) {
    const form = {
      ...requestOf(client),
      token: 'x',
      ...assertWith(await assertionOf(client, server.url + path)),
    };
    t.is((await send(server.url + path, { form })).status, 401, path);
  }
});

testOnServers('a request object of the profile lives for an hour at most', async (t, server) => {
  const { client, weak } = await makeTwoKeyClient(server);
  const pushObject = async (
    claims: Record<string, unknown>,
    key: KeyClient = client,
    header: object = {},
  ) => {
    const now = nowInSeconds();
    const common = { iss: client.client_id, aud: server.issuer, nbf: now, exp: now + 300 };
    const request = await signedBy(key, { ...requestOf(client), ...common, ...claims }, header);
    return await push(client, { client_id: client.client_id, request });
  };
  const now = nowInSeconds();
  const bad: [Record<string, unknown>, string][] = [
    [{ exp: undefined }, 'The request object needs an exp.'],
    [{ nbf: undefined }, 'The request object needs an nbf.'],
    [{ exp: now + 4_200 }, 'The request object must expire within 60 minutes after its nbf.'],
    [
      { nbf: now - 4_200, exp: now - 4_200 + 3_600 + 700 },
      'The request object must expire within 60 minutes after its nbf.',
    ],
    [{ nbf: now + 300, exp: now + 600 }, 'The request object is not valid yet'],
    [{ aud: 'https://other.example' }, 'Request Object claims are invalid'],
    [{ aud: undefined }, 'Request Object claims are invalid'],
  ];
  for (const [claims, says] of bad) {
    const { status, body } = await pushObject(claims);
    t.deepEqual([status, body.error], [400, 'invalid_request_object'], says);
    t.true(String(body.error_description).startsWith(says), String(body.error_description));
  }
  const rs256 = await pushObject({}, weak, { alg: 'RS256', kid: 'rsa' });
  t.deepEqual([rs256.status, rs256.body.error], [400, 'invalid_request_object']);
  for (const claims of [
    {},
    { nbf: now + 8, exp: now + 60 },
    { aud: [server.issuer, 'https://other.example'] },
  ])
    t.is((await pushObject(claims)).status, 201, JSON.stringify(claims));
});
