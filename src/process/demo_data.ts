// The data of a development server: a user, an app, an API and its client, all with known passwords.
import { createClient, findClient } from '../core/clients/clients.ts';
import { createResourceServer, findResourceServer } from '../core/clients/resource_servers.ts';
import { hashPassword } from '../core/passwords/password_hash.ts';
import type { Db } from '../core/store/db.ts';
import { createUser } from '../core/users/user_changes.ts';
import { findUserByLogin } from '../core/users/users.ts';

export const demo = {
  username: 'demo',
  password: 'correct horse battery staple',
  app: 'demo-app',
  api: { client_id: 'demo-api', client_secret: 'demo-api-secret-known-to-everybody' },
  resource: 'https://api.example.test/',
};

/** Creates what is missing of the demo data; a second start changes nothing. */
export async function seedDemo(db: Db): Promise<void> {
  if (!(await findUserByLogin(db, demo.username))) {
    await createUser(db, {
      username: demo.username,
      email: 'demo@example.test',
      // So that a forgotten password can be tried: its mail lies in `data/mail`.
      email_verified: true,
      password_hash: await hashPassword(demo.password),
      roles: ['customer'],
      permissions: ['orders:read'],
    });
  }
  if (!(await findClient(db, demo.app))) {
    await createClient(db, {
      client_id: demo.app,
      client_name: 'Demo app',
      first_party: true,
      token_endpoint_auth_method: 'none',
      grant_types: ['password', 'refresh_token'],
      // So that a used refresh token shows at once what reuse does.
      rotation_profile: 'strict',
    });
  }
  if (!(await findClient(db, demo.api.client_id))) {
    await createClient(db, {
      ...demo.api,
      client_name: 'Demo API',
      grant_types: ['client_credentials'],
      resource_server: '*',
    });
  }
  if (!(await findResourceServer(db, demo.resource))) {
    await createResourceServer(db, {
      identifier: demo.resource,
      name: 'Demo API',
      scope: 'orders:read orders:write',
    });
  }
}
