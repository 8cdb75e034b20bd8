import {
  consumeModel,
  deleteModel,
  findBySecondHandle,
  findModel,
  findSealedModel,
  useOnce,
} from '../../../src/core/engine_records/engine_records.ts';
import { json } from '../../../src/core/store/columns.ts';
import { createKeyring, digest } from '../../../src/lib/crypto.ts';
import { newId } from '../../../src/lib/ids.ts';
import { keyring, otherSecret, saveRecord, secret } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText, openDatabases } from '../../helpers/tables.ts';

const handle = 'a-handle-that-nobody-may-find';

testOnStores('a record comes back with its handle, which is stored nowhere', async (t, { db }) => {
  const payload = {
    jti: handle,
    kind: 'AuthorizationCode',
    scope: 'openid',
    nested: { list: [1, null, 'ä'] },
  };
  await saveRecord(db, 'AuthorizationCode', handle, payload, 60);
  const read = await findModel(db, 'AuthorizationCode', handle);
  t.deepEqual(read, { payload, consumed_at: null, is_expired: false });
  t.false((await dumpText(db)).includes(handle));
  const { id, session_id } = await rowOf(db('oidc_models').first());
  t.deepEqual([id, session_id], [digest(handle), null]);
});

testOnStores('a record is found under its model and handle alone', async (t, { db }) => {
  await saveRecord(db, 'AuthorizationCode', handle, { jti: handle }, 60);
  for (const [model, id] of [
    ['DeviceCode', handle],
    ['authorizationcode', handle],
    ['AuthorizationCode', `${handle} `],
    ['AuthorizationCode', digest(handle)],
    ['AuthorizationCode', ''],
    ['AuthorizationCode', '\0'],
  ] as const) {
    t.is(await findModel(db, model, id), null, JSON.stringify([model, id]));
    t.false(await consumeModel(db, model, id));
    await deleteModel(db, model, id);
  }
  t.deepEqual((await findModel(db, 'AuthorizationCode', handle))?.consumed_at, null);
});

testOnStores('a record knows the session that it belongs to, if it names one', async (t, { db }) => {
  const grantId = newId();
  await saveRecord(db, 'AccessToken', 'one', { grantId }, 60);
  await saveRecord(db, 'AccessToken', 'other', { grantId: 'no-uuid' }, 60);
  const sessionOf = async (id: string) =>
    (
      await rowOf(
        db('oidc_models')
          .where({ id: digest(id) })
          .first(),
      )
    ).session_id;
  t.deepEqual([await sessionOf('one'), await sessionOf('other')], [grantId, null]);
});

testOnStores('a record expires, and says so', async (t, { db }) => {
  await saveRecord(db, 'Interaction', handle, { a: 1 }, 60);
  await saveRecord(db, 'Interaction', 'old', { a: 1 }, -1);
  t.is((await findModel(db, 'Interaction', handle))?.is_expired, false);
  t.is((await findModel(db, 'Interaction', 'old'))?.is_expired, true);
});

testOnStores('saving again replaces what is said and not that it was used', async (t, { db }) => {
  await saveRecord(db, 'AuthorizationCode', handle, { jti: handle, scope: 'a', kept: true }, -1);
  t.true(await consumeModel(db, 'AuthorizationCode', handle));
  await saveRecord(db, 'AuthorizationCode', handle, { jti: handle, scope: 'b' }, 60);
  const read = await findModel(db, 'AuthorizationCode', handle);
  t.true(read?.consumed_at instanceof Date);
  t.deepEqual([read?.payload, read?.is_expired], [{ jti: handle, scope: 'b' }, false]);
  await deleteModel(db, 'AuthorizationCode', handle);
  t.is(await findModel(db, 'AuthorizationCode', handle), null);
});

testOnStores('a record may hold whatever a stranger sent', async (t, { db }) => {
  const state = 'a\0b \ud800 c \udfff\udbff \u{1f600} "quoted" \\u0000 \\\0 \ufeff';
  await saveRecord(db, 'ClientCredentials', handle, { params: { state, 'k\0': 1 } }, 60);
  t.deepEqual((await findModel(db, 'ClientCredentials', handle))?.payload, {
    jti: handle,
    params: {
      state: 'a\ufffdb \ufffd c \ufffd\ufffd \u{1f600} "quoted" \\u0000 \\\ufffd \ufeff',
      'k\ufffd': 1,
    },
  });
});

testOnStores('of ten that use one code at once one wins', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  for (let round = 0; round < 5; round += 1) {
    const code = `code-${round}`;
    await saveRecord(store.db, 'AuthorizationCode', code, { jti: code }, 60);
    const wins = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        consumeModel(nodes[i % nodes.length] ?? store.db, 'AuthorizationCode', code),
      ),
    );
    t.is(wins.filter(Boolean).length, 1);
    t.false(await consumeModel(store.db, 'AuthorizationCode', code));
  }
});

testOnStores('of ten that send one assertion at once one wins', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  for (let round = 0; round < 5; round += 1) {
    const wins = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        useOnce(nodes[i % nodes.length] ?? store.db, 'ReplayDetection', `jti-${round}`, 60),
      ),
    );
    t.is(wins.filter(Boolean).length, 1);
    t.false(await useOnce(store.db, 'ReplayDetection', `jti-${round}`, 60));
  }
  t.true(await useOnce(store.db, 'Other', 'jti-0', 60), 'of another kind');
  t.false((await dumpText(store.db)).includes('jti-0'));
});

testOnStores('a dump says neither user codes nor what clients push', async (t, { db }) => {
  const [userCode, hint] = ['BCDFGHJK', 'login_hint=somebody@example.com'];
  await saveRecord(db, 'DeviceCode', handle, { jti: handle, userCode }, 60);
  await saveRecord(db, 'PushedAuthorizationRequest', 'pushed', { jti: 'pushed', request: hint }, 60);
  const dump = await dumpText(db);
  for (const known of [userCode, digest(userCode), hint, 'somebody']) t.false(dump.includes(known), known);
  const code = await findBySecondHandle(db, keyring, 'DeviceCode', userCode);
  t.deepEqual(code?.payload, { jti: handle, userCode });
  const pushed = await findSealedModel(db, keyring, 'PushedAuthorizationRequest', 'pushed');
  t.deepEqual(pushed?.payload, { jti: 'pushed', request: hint });
});

testOnStores(
  'a user code is found after a change of the secret, and as it was stored before',
  async (t, { db }) => {
    const userCode = 'BCDFGHJK';
    await saveRecord(db, 'DeviceCode', handle, { jti: handle, userCode }, 60);
    const rotated = createKeyring([otherSecret, secret]);
    t.is((await findBySecondHandle(db, rotated, 'DeviceCode', userCode))?.payload.jti, handle);
    t.is(await findBySecondHandle(db, createKeyring([otherSecret]), 'DeviceCode', userCode), null);
    await db('oidc_models').update({ second_id: digest(userCode) });
    t.is((await findBySecondHandle(db, keyring, 'DeviceCode', userCode))?.payload.jti, handle);
    t.is(await findBySecondHandle(db, keyring, 'DeviceCode', 'BCDFGHJL'), null);
  },
);

testOnStores('a pushed request that the previous version stored in the clear is found', async (t, { db }) => {
  const model = 'PushedAuthorizationRequest';
  await saveRecord(db, model, 'pushed', { jti: 'pushed' }, 60);
  await db('oidc_models')
    .where({ model })
    .update({ payload: json({ request: 'x' }) });
  t.deepEqual((await findSealedModel(db, keyring, model, 'pushed'))?.payload, {
    request: 'x',
    jti: 'pushed',
  });
});
