// Which clients ask for an algorithm that is not offered, as the doctor and a rotation of the keys name them.
import { findUnservedClients } from '../../../src/core/clients/unserved_clients.ts';
import { checkClientAlgs } from '../../../src/core/operations/doctor_keys.ts';
import { makeClient } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const both = ['ES256', 'RS256'];

testOnStores(
  'clients that ask for an algorithm which is about to go are named, twenty of them',
  async (t, { db }) => {
    await makeClient(db);
    await makeClient(db, { client_id: 'of-both', id_token_signed_response_alg: 'ES256' });
    await makeClient(db, { client_id: 'asks', id_token_signed_response_alg: 'RS256' });
    await makeClient(db, { client_id: 'introspects', introspection_signed_response_alg: 'RS256' });
    t.deepEqual(await findUnservedClients(db, ['ES256', 'RS256'], both), { clients: [], more: 0 });
    t.deepEqual(await checkClientAlgs(db, { signingAlgs: null }), []);
    t.deepEqual(await findUnservedClients(db, ['ES256'], ['ES256']), {
      clients: ['asks', 'introspects'],
      more: 0,
    });
    const [found] = await checkClientAlgs(db, { signingAlgs: ['ES256'] });
    t.like(found, { check: 'clients', state: 'note', data: { clients: ['asks', 'introspects'] } });
    for (let n = 0; n < 20; n += 1) await makeClient(db, { id_token_signed_response_alg: 'RS256' });
    const { clients, more } = await findUnservedClients(db, ['ES256'], ['ES256']);
    t.deepEqual([clients.length, more], [20, 2]);
  },
);

testOnStores(
  'clients of FAPI 2.0 are named where only RS256 is left, which their profile forbids',
  async (t, { db }) => {
    const jwks_uri = 'https://bank.example/jwks';
    await makeClient(db, {
      ...{ client_id: 'bank', security_profile: 'fapi2', token_endpoint_auth_method: 'private_key_jwt' },
      ...{
        jwks_uri,
        rotation_profile: 'web',
        first_party: false,
        redirect_uris: ['https://bank.example/cb'],
      },
    });
    t.deepEqual(await findUnservedClients(db, ['RS256', 'PS256'], both), { clients: [], more: 0 });
    t.deepEqual(await findUnservedClients(db, ['RS256'], both), { clients: ['bank'], more: 0 });
  },
);

testOnStores(
  'third-party clients that ask for no algorithm are named while keys of RS256 go',
  async (t, { db }) => {
    await makeClient(db);
    const others = { first_party: false, redirect_uris: ['https://app.example/cb'] };
    await makeClient(db, { client_id: 'silent', ...others });
    await makeClient(db, { client_id: 'modern', ...others, id_token_signed_response_alg: 'ES256' });
    t.deepEqual(await findUnservedClients(db, both, both), { clients: [], more: 0 });
    t.deepEqual(await findUnservedClients(db, ['ES256'], both), { clients: ['silent'], more: 0 });
    const [found] = await checkClientAlgs(db, { signingAlgs: ['ES256'] });
    t.like(found, { check: 'clients', state: 'note', data: { clients: ['silent'] } });
    await db('signing_keys').where({ alg: 'RS256' }).delete();
    t.deepEqual(await checkClientAlgs(db, { signingAlgs: ['ES256'] }), [], 'long after the change');
  },
);
