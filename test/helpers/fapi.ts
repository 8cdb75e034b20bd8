// Clients of the FAPI 2.0 profile and their requests, each built by hand: pushed request, login at the pages, exchange, refresh.
import { createHash, randomBytes } from 'node:crypto';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { readCertificate } from '../../src/lib/certificate.ts';
import { assertionOf, assertWith, type KeyClient, makeKeyClient } from './assertions.ts';
import { makeClient, makeUser, type NamedUser } from './builders.ts';
import { one } from './certificates.ts';
import { type Answer, type Form, send } from './client.ts';
import { answerPages, callback } from './code_flow.ts';
import { type Key, makeKey, proofFor } from './dpop.ts';
import type { TestServer } from './server.ts';
import { openUserAgent, type UserAgent } from './user_agent.ts';

/** The header of certificates; `TRUST_PROXY` and this are the settings of a server that takes them. */
const certificateHeader = 'x-client-cert';
export const certificateSettings = { MTLS_CERTIFICATE_HEADER: certificateHeader, TRUST_PROXY: '127.0.0.1' };

/** How a client authenticates and proves to hold what its tokens are bound to. */
export interface FapiClient {
  server: TestServer;
  client_id: string;
  user: NamedUser;
  ua: UserAgent;
  /** The parameters that authenticate one request. */
  authenticate: () => Promise<Form>;
  /** The headers of one request, with the proof or the certificate; `accessToken` is the token that it accompanies. */
  prove: (url: string, method?: string, accessToken?: string) => Promise<Record<string, string>>;
}

const profile: Partial<NewClient> = {
  security_profile: 'fapi2',
  client_name: 'FAPI client',
  first_party: false,
  redirect_uris: [callback],
  rotation_profile: 'web',
};

/** A client with an assertion key and a DPoP key. */
export async function makeDpopClient(
  server: TestServer,
  given: Partial<NewClient> = {},
): Promise<FapiClient & KeyClient & { dpop: Key }> {
  const made = await makeKeyClient(server, { ...profile, ...given });
  const dpop = await makeKey();
  return {
    ...(await equip(server)),
    ...made,
    dpop,
    authenticate: async () => assertWith(await assertionOf(made, server.issuer)),
    prove: async (url, method = 'POST', accessToken) => ({
      DPoP: await proofFor(dpop, method, url, accessToken ? { accessToken } : {}),
    }),
  };
}

/** A client that authenticates by a certificate, to which its tokens are bound too. */
export async function makeCertificateClient(server: TestServer): Promise<FapiClient> {
  const jwk = readCertificate(`:${one}:`)?.publicKey.export({ format: 'jwk' });
  const { client_id } = await makeClient(server.db, {
    ...profile,
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    tls_client_certificate_bound_access_tokens: true,
    jwks: { keys: [{ ...jwk, use: 'sig', x5c: [one] }] },
  });
  return {
    ...(await equip(server)),
    client_id,
    authenticate: async () => ({ client_id }),
    prove: async () => showCertificate(one),
  };
}

/** The header with which the proxy forwards a certificate. */
export function showCertificate(der: string): Record<string, string> {
  return { [certificateHeader]: `:${der}:` };
}

async function equip(server: TestServer) {
  return { server, user: await makeUser(server.db), ua: openUserAgent(server.url) };
}

export const codeVerifier = randomBytes(32).toString('base64url');

/** The parameters of an authorization request; `undefined` leaves one out. */
export function requestOf({ client_id }: Pick<FapiClient, 'client_id'>, given: Form = {}): Form {
  return {
    client_id,
    response_type: 'code',
    redirect_uri: callback,
    scope: 'openid profile',
    state: 'a-state',
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...given,
  };
}

/** POST /par with the client's own authentication. */
export async function push(client: FapiClient, form: Form = requestOf(client)): Promise<Answer> {
  const url = `${client.server.url}/par`;
  const { DPoP: _proof, ...headers } = await client.prove(url);
  return await send(url, { form: { ...form, ...(await client.authenticate()) }, headers });
}

/** The code of a login by a pushed request. */
export async function getCode(client: FapiClient): Promise<string> {
  const pushed = await push(client);
  if (pushed.status !== 201) throw new Error(pushed.text);
  const query = new URLSearchParams({
    client_id: client.client_id,
    request_uri: String(pushed.body.request_uri),
  });
  const back = await answerPages(client, await client.ua.open(`${client.server.url}/authorize?${query}`));
  return back.searchParams.get('code') ?? `no code: ${back.href}`;
}

/** POST /token with the client's own authentication and proof; `more` replaces the headers. */
export async function ask(
  client: FapiClient,
  form: Form,
  more: { headers?: Record<string, string>; authentication?: Form } = {},
): Promise<Answer> {
  const url = `${client.server.url}/token`;
  const authentication = more.authentication ?? (await client.authenticate());
  const headers = more.headers ?? (await client.prove(url));
  return await send(url, { form: { ...form, ...authentication }, headers });
}

/** The form that exchanges a code. */
export function codeForm(code: string): Form {
  return { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: codeVerifier };
}

/** The form that refreshes. */
export function refreshForm(refresh_token: string): Form {
  return { grant_type: 'refresh_token', refresh_token };
}
