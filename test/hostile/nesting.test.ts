// JSON nested as deeply as a body allows, at every place that reads JSON: bodies and unverified JWTs.
import { generateKeyPairSync } from 'node:crypto';
import { enterAsAdmin } from '../helpers/admin.ts';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused, type RequestOptions, send } from '../helpers/client.ts';
import { callback } from '../helpers/code_flow.ts';
import { api } from '../helpers/oauth.ts';
import { testOnOwnServers } from '../helpers/server.ts';

const encode = (text: string) => Buffer.from(text).toString('base64url');
const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
/** A JWT with these members and a wrong signature. */
const jwt = (header: string, payload: string) =>
  `${encode(header)}.${encode(payload)}.${encode('x'.repeat(64))}`;

const now = Math.floor(Date.now() / 1000);
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));

/** Every request that takes JSON, with JSON of that many levels. */
function questions(
  client_id: string,
  issuer: string,
  levels: number,
): Record<string, [string, RequestOptions]> {
  const claims = `"iss":"${client_id}","sub":"${client_id}","aud":"${issuer}","exp":${now + 60},"iat":${now},"jti":"x","client_id":"${client_id}"`;
  const object = jwt('{"alg":"ES256"}', `{${claims},"claims":{"x":${deep(levels)}},"x":${deep(levels)}}`);
  const header = jwt(`{"alg":"ES256","x":${deep(levels)}}`, `{${claims}}`);
  const proof = jwt(
    `{"alg":"ES256","typ":"dpop+jwt","jwk":${jwk.replace('}', `,"x":${deep(levels / 4)}}`)}}`,
    `{"htm":"POST","htu":"${issuer}/token","jti":"x","iat":${now},"x":${deep(levels / 4)}}`,
  );
  const asserted = (client_assertion: string) => ({
    grant_type: 'client_credentials',
    client_id,
    client_assertion,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  });
  const authorize = { client_id, response_type: 'code', redirect_uri: callback, scope: 'openid' };
  const query = (form: Record<string, string>) => `/authorize?${new URLSearchParams(form)}`;
  const short = jwt('{"alg":"ES256"}', `{${claims},"x":${deep(4_000)}}`);
  return {
    'a registration': [
      '/register',
      { body: `{"redirect_uris":[],"jwks":{"keys":[{"x":${deep(levels)}}]}}`, headers: jsonType },
    ],
    'an assertion': ['/token', { form: asserted(object) }],
    'the header of an assertion': ['/token', { form: asserted(header) }],
    'a proof of possession': [
      '/token',
      { form: { grant_type: 'password', client_id }, headers: { DPoP: proof } },
    ],
    'a pushed request object': ['/par', { form: { client_id, request: object } }],
    'a request object': [query({ ...authorize, request: short }), {}],
    'the claims parameter': [query({ ...authorize, claims: `{"id_token":${deep(1_500)}}` }), {}],
    'a hint': [`/logout?${new URLSearchParams({ id_token_hint: short })}`, {}],
    'a token': ['/introspect', { form: { client_id, token: object } }],
    'a bearer token': ['/userinfo', { token: short }],
  };
}

const jsonType = { 'Content-Type': 'application/json' };
const key = { ...publicKey.export({ format: 'jwk' }), alg: 'ES256' };
const confidential = {
  grant_types: ['authorization_code', 'client_credentials'],
  redirect_uris: [callback],
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: [key] },
} as const;

testOnOwnServers(
  'JSON that is nested too deeply is refused at every endpoint and never causes a failure',
  { REGISTRATION: 'open' },
  async (t, server) => {
    const app = await makeClient(server.db, confidential as never);
    const open = await makeClient(server.db, { redirect_uris: [callback] });
    for (const { client_id } of [app, open]) {
      for (const levels of [100, 4_000, 12_000]) {
        for (const [what, [path, question]] of Object.entries(questions(client_id, server.issuer, levels))) {
          const { status, text } = await send(server.url + path, question);
          t.true(status >= 300 && status < 500, `${what}, ${levels} levels: ${status} ${text}`);
        }
      }
    }
    const { token } = await enterAsAdmin(server);
    const metadata = (levels: number) => `{"jwks":{"keys":[{"kty":"EC","x":${deep(levels)}}]}}`;
    for (const levels of [100, 12_000]) {
      const body = metadata(levels);
      const made = await api(server, 'POST /admin/clients', token, { body, headers: jsonType });
      assertRefused(t, made, { status: 400, error: 'invalid_request' });
    }
  },
);
