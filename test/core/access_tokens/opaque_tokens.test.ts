// Opaque access tokens: records of the engine, which are active under the same rules as JWTs.
import { createAccessTokenVerifier, isJwt } from '../../../src/core/access_tokens/access_tokens.ts';
import { revokeAccessToken } from '../../../src/core/access_tokens/revoked_tokens.ts';
import { deleteRecord } from '../../../src/core/engine_records/engine_records.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { mintRefreshToken } from '../../../src/core/sessions/refresh_token.ts';
import { newId } from '../../../src/lib/ids.ts';
import { keyring, makeRecord, openTestSession } from '../../helpers/builders.ts';
import { loadKeys } from '../../helpers/keys.ts';
import { currentVersion, rowOf } from '../../helpers/rows.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const issuer = 'https://id.example';
const handle = 'Vn0WxZ3kq9sJ5rT7yB1dC4eF6gH8iK0lM2nO';

/** Stores the engine's record of an opaque token of a live session; returns it with a verifier. */
async function setUp({ db }: Store, given: Record<string, unknown> = {}) {
  const keys = await loadKeys(db);
  const verifier = createAccessTokenVerifier(db, issuer, () => keys, Date.now);
  const session = await openTestSession(db);
  await db('clients').where({ client_id: session.client_id }).update({ token_version: 7 });
  const iat = Math.floor(Date.now() / 1000);
  const record = {
    jti: handle,
    kind: 'AccessToken',
    clientId: session.client_id,
    accountId: session.user_id,
    grantId: session.id,
    sid: session.id,
    scope: 'openid',
    iat,
    exp: iat + 900,
    extra: { token_version: 0, client_version: 7, roles: ['x'] },
    ...given,
  };
  await makeRecord(db, 'AccessToken', handle, record, record.exp - iat);
  return { verifier, session, record };
}

testOnStores('an opaque token has the claims of its record', async (t, store) => {
  const { verifier, session, record } = await setUp(store, { aud: 'https://api.example', jkt: 'thumb' });
  t.false(isJwt(handle));
  t.deepEqual(await verifier.verify(handle), {
    iss: issuer,
    sub: session.user_id,
    aud: 'https://api.example',
    exp: record.exp,
    iat: record.iat,
    jti: handle,
    client_id: session.client_id,
    scope: 'openid',
    sid: session.id,
    token_version: 0,
    client_version: 7,
    roles: ['x'],
    cnf: { jkt: 'thumb' },
  });
});

testOnStores('extra claims of a record do not replace its own members', async (t, store) => {
  const { verifier, session } = await setUp(store, {
    extra: { sub: 'admin', client_id: 'x', client_version: 7, iss: 'y', sid: newId() },
  });
  const { sub, client_id, iss, sid } = (await verifier.verify(handle)) ?? {};
  t.deepEqual(
    { sub, client_id, iss, sid },
    { sub: session.user_id, client_id: session.client_id, iss: issuer, sid: session.id },
  );
});

testOnStores(
  'an opaque token becomes inactive with its session, user, client, record or time',
  async (t, store) => {
    const ways: Record<string, (setup: Awaited<ReturnType<typeof setUp>>) => Promise<unknown>> = {
      'its session': ({ session }) => endSession(store.db, session.id, { reason: 'logout', actor: 'user' }),
      'its user': ({ session }) =>
        store.db('users').where({ id: session.user_id }).update({ status: 'banned' }),
      'its version': ({ session }) =>
        store.db('users').where({ id: session.user_id }).increment('token_version', 1),
      'its client': ({ session }) => store.db('clients').where({ client_id: session.client_id }).delete(),
      'its client’s version': ({ session }) =>
        store.db('clients').where({ client_id: session.client_id }).increment('token_version', 1),
      'its record': () => deleteRecord(store.db, 'AccessToken', handle),
      itself: async ({ record }) => revokeAccessToken(store.db, await currentVersion(store.db), record),
      'its time': () => store.db('oidc_models').update({ expires_at: new Date() }),
    };
    for (const [title, end] of Object.entries(ways)) {
      const setup = await setUp(store);
      t.truthy(await setup.verifier.verify(handle), title);
      await end(setup);
      t.is(await setup.verifier.verify(handle), null, title);
      await store.db('revoked_tokens').delete();
    }
  },
);

testOnStores('the handle of another kind of record is not an access token', async (t, store) => {
  const { verifier, session, record } = await setUp(store);
  for (const model of ['AuthorizationCode', 'DeviceCode', 'Session', 'Interaction', 'accesstoken']) {
    await makeRecord(store.db, model, `of-${model}`, { ...record, jti: `of-${model}` }, 900);
    t.is(await verifier.verify(`of-${model}`), null, model);
  }
  const { id } = await rowOf(store.db('oidc_models').where({ model: 'AccessToken' }).first());
  for (const token of [
    id,
    session.id,
    mintRefreshToken(keyring, session, 0),
    `${handle}A`,
    handle.toLowerCase(),
  ]) {
    t.is(await verifier.verify(token), null, token);
  }
});
