// Further claims of clients and resource servers: administrators write them, registrations do not.
import { enterAsAdmin, post, read } from '../../../helpers/admin.ts';
import { assertRefused, granted } from '../../../helpers/client.ts';
import { api } from '../../../helpers/oauth.ts';
import { register } from '../../../helpers/register.ts';
import { testOnOwnServers, testOnServers } from '../../../helpers/server.ts';

const malformed = { status: 400, error: 'invalid_request' };
const claims = { plan: 'app.plan', language: 'locale' };

testOnServers(
  'an administrator names claims of a client and of a resource server, and removes them',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const made = await post(server, admin, '/clients', {
      client_id: 'named',
      client_name: 'Named',
      first_party: true,
      claims,
    });
    t.deepEqual(made.body.claims, claims);
    const identifier = 'https://named.example/api';
    const api_ = await post(server, admin, '/resource-servers', { identifier, claims });
    t.deepEqual(api_.body.claims, claims);
    for (const path of ['/clients/named', `/resource-servers/${encodeURIComponent(identifier)}`]) {
      const change = (json: unknown) => api(server, `PATCH /admin${path}`, admin.token, { json });
      t.deepEqual((await read(server, admin, path)).claims, claims);
      for (const wrong of [
        { sub: 'app.x' },
        { roles: 'app.roles' },
        { plan: 'email' },
        { plan: 'app' },
        [],
        'plan',
      ])
        assertRefused(t, await change({ claims: wrong }), malformed, JSON.stringify(wrong));
      t.deepEqual(granted(await change({ claims: { tier: 'app.tier' } })).claims, { tier: 'app.tier' });
      t.falsy(granted(await change({ claims: null })).claims);
    }
  },
);

testOnOwnServers(
  'a client that registers itself cannot name claims',
  { REGISTRATION: 'open' },
  async (t, server) => {
    const wanted = { redirect_uris: ['https://app.example/cb'], token_endpoint_auth_method: 'none' };
    const refused = await register(server, { ...wanted, claims });
    assertRefused(t, refused, { status: 400, error: 'invalid_client_metadata' });
    t.regex(String(refused.body.error_description), /claims/);
  },
);
