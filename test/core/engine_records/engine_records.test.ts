import { deleteRecord, findRecord } from '../../../src/core/engine_records/engine_records.ts';
import { consumeRecord } from '../../../src/core/engine_records/single_use.ts';
import { digest } from '../../../src/lib/crypto.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeRecord } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText } from '../../helpers/tables.ts';

const handle = 'a-handle-that-nobody-may-find';

testOnStores('a record is returned with its handle, which is not stored', async (t, { db }) => {
  const payload = {
    jti: handle,
    kind: 'AuthorizationCode',
    scope: 'openid',
    nested: { list: [1, null, 'ä'] },
  };
  await makeRecord(db, 'AuthorizationCode', handle, payload, 60);
  const read = await findRecord(db, 'AuthorizationCode', handle);
  const { version, ...rest } = read ?? {};
  t.deepEqual(rest, { payload, consumed_at: null, is_expired: false });
  t.is(typeof version, 'number');
  t.false((await dumpText(db)).includes(handle));
  const { id, session_id } = await rowOf(db('oidc_models').first());
  t.deepEqual([id, session_id], [digest(handle), null]);
});

testOnStores('a record is found only by its model and handle', async (t, { db }) => {
  await makeRecord(db, 'AuthorizationCode', handle, { jti: handle }, 60);
  for (const [model, id] of [
    ['DeviceCode', handle],
    ['authorizationcode', handle],
    ['AuthorizationCode', `${handle} `],
    ['AuthorizationCode', digest(handle)],
    ['AuthorizationCode', ''],
    ['AuthorizationCode', '\0'],
  ] as const) {
    t.is(await findRecord(db, model, id), null, JSON.stringify([model, id]));
    t.false(await consumeRecord(db, model, id));
    await deleteRecord(db, model, id);
  }
  t.deepEqual((await findRecord(db, 'AuthorizationCode', handle))?.consumed_at, null);
});

testOnStores('a record stores the session that its payload names', async (t, { db }) => {
  const grantId = newId();
  await makeRecord(db, 'AccessToken', 'one', { grantId }, 60);
  await makeRecord(db, 'AccessToken', 'other', { grantId: 'no-uuid' }, 60);
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

testOnStores('a record expires, and is then marked as expired', async (t, { db }) => {
  await makeRecord(db, 'Interaction', handle, { a: 1 }, 60);
  await makeRecord(db, 'Interaction', 'old', { a: 1 }, -1);
  t.is((await findRecord(db, 'Interaction', handle))?.is_expired, false);
  t.is((await findRecord(db, 'Interaction', 'old'))?.is_expired, true);
});

testOnStores('saving a record again replaces the payload and keeps its use', async (t, { db }) => {
  await makeRecord(db, 'AuthorizationCode', handle, { jti: handle, scope: 'a', kept: true }, -1);
  t.true(await consumeRecord(db, 'AuthorizationCode', handle));
  await makeRecord(db, 'AuthorizationCode', handle, { jti: handle, scope: 'b' }, 60);
  const read = await findRecord(db, 'AuthorizationCode', handle);
  t.true(read?.consumed_at instanceof Date);
  t.deepEqual([read?.payload, read?.is_expired], [{ jti: handle, scope: 'b' }, false]);
  await deleteRecord(db, 'AuthorizationCode', handle);
  t.is(await findRecord(db, 'AuthorizationCode', handle), null);
});

testOnStores('a record can hold arbitrary input', async (t, { db }) => {
  const state = 'a\0b \ud800 c \udfff\udbff \u{1f600} "quoted" \\u0000 \\\0 \ufeff';
  await makeRecord(db, 'ClientCredentials', handle, { params: { state, 'k\0': 1 } }, 60);
  t.deepEqual((await findRecord(db, 'ClientCredentials', handle))?.payload, {
    jti: handle,
    params: {
      state: 'a\ufffdb \ufffd c \ufffd\ufffd \u{1f600} "quoted" \\u0000 \\\ufffd \ufeff',
      'k\ufffd': 1,
    },
  });
});
