// Clients that authenticate by assertions (RFC 7523), built by hand because a client library would not build wrong ones.
import { randomUUID } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { makeClient } from './builders.ts';
import type { Form } from './client.ts';
import { type Key, makeKey } from './dpop.ts';
import type { TestServer } from './server.ts';

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface KeyClient {
  client_id: string;
  key: Key;
}

/** A client with a key named `mine`, for ES256. */
export async function makeKeyClient({ db }: TestServer, given: Partial<NewClient> = {}): Promise<KeyClient> {
  const key = await makeKey();
  const jwk = { ...(await exportJWK(key.publicKey)), kid: 'mine', alg: 'ES256', use: 'sig' };
  const { client_id } = await makeClient(db, {
    token_endpoint_auth_method: 'private_key_jwt',
    first_party: false,
    ...given,
    jwks: { keys: [jwk, ...(given.jwks?.keys ?? [])] },
  });
  return { client_id, key };
}

/** A JWT by the client's key; an undefined claim is left out. */
export async function signedBy(
  { key }: KeyClient,
  claims: Record<string, unknown>,
  header: object = {},
): Promise<string> {
  const signed = new SignJWT(JSON.parse(JSON.stringify(claims)));
  return await signed.setProtectedHeader({ alg: 'ES256', kid: 'mine', ...header }).sign(key.privateKey);
}

/** An assertion of the client; `given` overrides its claims. */
export async function assertionOf(
  client: KeyClient,
  aud: unknown,
  given: Record<string, unknown> = {},
  header: object = {},
): Promise<string> {
  const { client_id } = client;
  const now = nowInSeconds();
  const claims = { iss: client_id, sub: client_id, aud, jti: randomUUID(), iat: now, exp: now + 60 };
  return await signedBy(client, { ...claims, ...given }, header);
}

/** The parameters that authenticate by an assertion. */
export function assertWith(client_assertion: string): Form {
  return { client_assertion, client_assertion_type: type };
}

/** The present of this machine, in seconds. */
export function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
