import { createClient } from '../../../src/core/clients/clients.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores(
  'authentication method and grants are derived from the description of a client',
  async (t, { db }) => {
    const shapeOf = async (given: Parameters<typeof createClient>[1]) => {
      const { client, client_secret } = await createClient(db, given);
      const { grant_types, response_types, token_endpoint_auth_method } = client.metadata;
      const secrets = [client.secrets.length, typeof client_secret];
      return { grant_types, response_types, token_endpoint_auth_method, secrets };
    };
    const none = [0, 'undefined'];
    const one = [1, 'string'];
    const redirect_uris = ['https://shop.example/cb'];
    const code = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
    const direct = { grant_types: ['password', 'refresh_token'], response_types: [] };
    const machine = { grant_types: ['client_credentials'], response_types: [] };
    const withSecret = { token_endpoint_auth_method: 'client_secret_basic', secrets: one };
    t.deepEqual(await shapeOf({ client_name: 'Machine' }), { ...machine, ...withSecret });
    t.deepEqual(await shapeOf({ first_party: true }), { ...direct, ...withSecret });
    t.deepEqual(await shapeOf({ redirect_uris }), { ...code, ...withSecret });
    t.deepEqual(await shapeOf({ redirect_uris, first_party: true }), { ...code, ...withSecret });
    t.deepEqual(await shapeOf({ first_party: true, token_endpoint_auth_method: 'none' }), {
      ...direct,
      token_endpoint_auth_method: 'none',
      secrets: none,
    });
    t.deepEqual(await shapeOf({ jwks: { keys: [{ kty: 'EC' }] } }), {
      ...machine,
      token_endpoint_auth_method: 'private_key_jwt',
      secrets: none,
    });
  },
);

testOnStores('a public client may not use client_credentials', async (t, { db }) => {
  for (const given of [{}, { grant_types: ['password', 'client_credentials'], first_party: true }]) {
    const error = await t.throwsAsync(createClient(db, { ...given, token_endpoint_auth_method: 'none' }), {
      instanceOf: AppError,
    });
    t.is(error?.code as string, 'invalid_client_metadata');
  }
  t.deepEqual(await db('clients'), []);
});
