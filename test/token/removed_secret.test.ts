// A secret that was removed at another node: the client cache of this node still knows it, and it must be dead all the same.
import { removeClientSecret } from '../../src/core/clients/client_secrets.ts';
import { openSession } from '../../src/core/sessions/open_session.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { json } from '../../src/core/store/columns.ts';
import { keyring, makeUser, newSession } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import type { Kind } from '../helpers/introspection_cases.ts';
import { makeToken } from '../helpers/odd_tokens.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnStores } from '../helpers/stores.ts';
import { createTwinClients, secrets } from '../helpers/twin_clients.ts';
import { openPair, ownApi } from '../helpers/twins.ts';

const kinds: Kind[] = [
  'signed',
  'no session',
  'opaque user',
  'opaque client',
  'refresh',
  'foreign',
  'garbage',
];

testOnStores('a removed secret neither introspects nor revokes, whatever the token', async (t, store) => {
  const { deps, fast } = await openPair(t, store);
  await createTwinClients(deps.db);
  const user = await makeUser(deps.db);
  const session = await openSession(deps.db, newSession(user, { client_id: 'twice' }));
  if (!session) throw new Error('the session was not opened');
  const ask = async (path: string, token: unknown) => {
    const form = { client_id: 'twice', client_secret: secrets.plain, token: String(token) };
    return await send(`${fast.url}${path}`, { form });
  };
  const refresh_token = mintRefreshToken(keyring, session, 0);
  const tokens = await Promise.all(kinds.map((kind) => makeToken(deps, kind, { user, session }, ownApi)));
  // Every request begins with a cache that knows the secret.
  for (const [index, token] of tokens.entries()) {
    for (const path of ['/introspect', '/revoke']) {
      const { secrets: before } = await rowOf(deps.db('clients').where({ client_id: 'twice' }).first());
      t.is((await ask('/introspect', refresh_token)).body.active, true, 'the cache is warm');
      const old = before.find((one) => one.id === before.at(-1)?.id);
      await deps.db.transaction((tx) => removeClientSecret(tx, 'twice', old?.id ?? ''));
      const { status, body } = await ask(path, token);
      t.deepEqual([status, body.error], [401, 'invalid_client'], `${path}: ${kinds[index]}`);
      const row = await rowOf(deps.db('sessions').where({ id: session.id }).first());
      t.is(row.ended_at, null);
      await deps
        .db('clients')
        .where({ client_id: 'twice' })
        .update({ secrets: json(before) });
    }
  }
  t.deepEqual(await deps.db('revoked_tokens'), []);
  t.is((await deps.db('oidc_models').whereIn('model', ['AccessToken', 'ClientCredentials'])).length, 2);
});
