// Kindred as a peer: its settings, clients and users.
import { createClient } from '../../src/core/clients/clients.ts';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { hashPassword } from '../../src/core/passwords/password_hash.ts';
import { type Db, openDatabase } from '../../src/core/store/db.ts';
import { createUser } from '../../src/core/users/user_changes.ts';
import type { Child, Stage } from '../harness/stage.ts';
import {
  administrator,
  api,
  client_id,
  confidential,
  connections,
  consoleClient,
  machine,
  opaqueApi,
  ordersApi,
  password,
  redirect_uri,
  secret,
  usernames,
  web,
} from './parties.ts';

const script = '../test/helpers/children/serve.ts';

/**
 * Starts Kindred with its default settings, except that rate limits are off; `changes` override settings. It writes its log,
 * which is part of the cost.
 */
export async function startKindred(
  stage: Stage,
  databaseUrl: string,
  bench: string,
  changes: Record<string, string> = {},
): Promise<Child> {
  const env = { ...kindredEnvironment(databaseUrl), ...changes };
  return await stage.serve(script, env, { profile: `${bench}-kindred` });
}

/** The settings of the server under test. */
export function kindredEnvironment(databaseUrl: string): Record<string, string> {
  return {
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    DATABASE_URL: databaseUrl,
    KINDRED_SECRET: secret,
    RATE_LIMITS: 'off',
  };
}

/** Creates the clients, the resource servers and the users of a bench. */
export async function createClientsAndUsers(databaseUrl: string, users = connections): Promise<void> {
  const db = openDatabase(databaseUrl, { pool: 1 });
  try {
    await createResourceServers(db);
    await createClients(db);
    const password_hash = await hashPassword(password);
    for (const username of usernames(users))
      await createUser(db, { username, email: `${username}@example.test`, password_hash });
    await createUser(db, { username: administrator, password_hash, roles: ['admin'] });
  } finally {
    await db.destroy();
  }
}

async function createResourceServers(db: Db): Promise<void> {
  const common = { access_token_format: 'jwt' } as const;
  await createResourceServer(db, {
    identifier: opaqueApi.resource,
    scope: opaqueApi.scope,
    access_token_format: 'opaque',
  });
  await createResourceServer(db, { ...common, identifier: ordersApi.resource, scope: ordersApi.scope });
}

// ID tokens are signed by ES256, as at the other servers, except on a server that offers RS256 alone.
const signed = { id_token_signed_response_alg: 'ES256' };

async function createClients(db: Db): Promise<void> {
  const strict = { first_party: true, rotation_profile: 'strict' } as const;
  await createClient(db, { client_id, ...strict, ...signed, token_endpoint_auth_method: 'none' });
  await createClient(db, { ...confidential, ...strict, ...signed });
  await createClient(db, { ...consoleClient, first_party: true, scope: 'account admin' });
  await createClient(db, { ...api, grant_types: ['client_credentials'], resource_server: '*' });
  await createClient(db, {
    ...machine,
    grant_types: ['client_credentials'],
    scope: ordersApi.scope,
    default_resource: ordersApi.resource,
  });
  await createClient(db, {
    ...web,
    ...signed,
    first_party: false,
    client_name: 'Web app',
    redirect_uris: [redirect_uri],
  });
}
