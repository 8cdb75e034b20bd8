// Resource servers and the clients that authenticate for them.
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { makeClient } from './builders.ts';
import type { Form } from './client.ts';
import type { TestServer } from './server.ts';

let made = 0;

export interface ResourceServer {
  identifier: string;
  /** The credentials of its client for introspection. */
  client: { client_id: string; client_secret: string };
  /** The parameters of a login for a token of this resource server. */
  form: Form;
}

/** Creates a resource server with the scopes `orders:read` and `orders:write`, and its client. */
export async function makeResourceServer(
  server: TestServer,
  access_token_format: 'jwt' | 'opaque' = 'jwt',
): Promise<ResourceServer> {
  made += 1;
  const identifier = `https://orders-${made}.example.test/`;
  await createResourceServer(server.db, {
    identifier,
    scope: 'orders:read orders:write',
    access_token_format,
  });
  const client = await makeConfidentialClient(server, { resource_server: identifier });
  return { identifier, client, form: { resource: identifier, scope: 'orders:read' } };
}

/** Creates a client with a known secret; first-party by default. */
export async function makeConfidentialClient(
  server: Pick<TestServer, 'db'>,
  given: Parameters<typeof makeClient>[1] = {},
): Promise<{ client_id: string; client_secret: string }> {
  made += 1;
  const client_secret = `the-secret-of-confidential-client-${made}-of-these-tests`;
  const { client_id } = await makeClient(server.db, {
    client_secret,
    token_endpoint_auth_method: 'client_secret_post',
    ...given,
  });
  return { client_id, client_secret };
}
