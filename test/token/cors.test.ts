// CORS at the direct entrance: a cached client must not outlive a change of its row.
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { keyring, makeClient, openTestSession } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnStores } from '../helpers/stores.ts';
import { openPair, ownApi } from '../helpers/twins.ts';

testOnStores(
  'a page whose origin was just removed is refused although the client is cached',
  async (t, store) => {
    const { deps, fast } = await openPair(t, store);
    const page = 'https://app.example.test';
    const client = await makeClient(deps.db, { allowed_origins: [page] });
    const session = await openTestSession(deps.db, {
      client,
      grant_payload: { openid: { scope: 'account' }, resources: { [ownApi]: 'account' } },
      token_payload: { gty: 'password', scope: 'account', resource: ownApi },
    });
    const refresh = async (generation: number) =>
      await send(`${fast.url}/token`, {
        form: {
          grant_type: 'refresh_token',
          client_id: client.client_id,
          refresh_token: mintRefreshToken(keyring, session, generation),
        },
        headers: { Origin: page },
      });
    const allowed = await refresh(0);
    t.deepEqual([allowed.status, allowed.headers['access-control-allow-origin']], [200, page]);
    t.is(fast.reached(), 0);
    const metadata = JSON.stringify({ ...client.metadata, allowed_origins: [] });
    await store.db('clients').where({ client_id: client.client_id }).update({ metadata });
    const refused = await refresh(1);
    t.deepEqual(
      [refused.status, refused.body.error, refused.headers['access-control-allow-origin']],
      [400, 'invalid_request', undefined],
    );
    t.is((await rowOf(deps.db('sessions').where({ id: session.id }).first())).generation, 1);
  },
);
