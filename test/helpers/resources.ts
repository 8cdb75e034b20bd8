// Resource servers of the tests, and the clients that stand for them.
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { makeClient } from './builders.ts';
import type { Form } from './client.ts';
import type { TestServer } from './server.ts';

let made = 0;

export interface ResourceServer {
  identifier: string;
  /** What its own client authenticates with when it introspects. */
  client: { client_id: string; client_secret: string };
  /** What a login asks with for a token that is good there. */
  form: Form;
}

/** A resource server of its own with the scopes `orders:read` and `orders:write`, and a client that stands for it. */
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

/** A client with a secret, of which both are known. First-party unless said otherwise. */
export async function makeConfidentialClient(
  server: TestServer,
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
