import {
  findRecordBySecondHandle,
  findSealedRecord,
} from '../../../src/core/engine_records/engine_records.ts';
import { json } from '../../../src/core/store/columns.ts';
import { createKeyring, digest } from '../../../src/lib/crypto.ts';
import { keyring, makeRecord, otherSecret, secret } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText } from '../../helpers/tables.ts';

const handle = 'a-handle-that-nobody-may-find';

testOnStores('a dump of the database reveals neither user codes nor pushed requests', async (t, { db }) => {
  const [userCode, hint] = ['BCDFGHJK', 'login_hint=somebody@example.com'];
  await makeRecord(db, 'DeviceCode', handle, { jti: handle, userCode }, 60);
  await makeRecord(db, 'PushedAuthorizationRequest', 'pushed', { jti: 'pushed', request: hint }, 60);
  const dump = await dumpText(db);
  for (const known of [userCode, digest(userCode), hint, 'somebody']) t.false(dump.includes(known), known);
  const code = await findRecordBySecondHandle(db, keyring, 'DeviceCode', userCode);
  t.deepEqual(code?.payload, { jti: handle, userCode });
  const pushed = await findSealedRecord(db, keyring, 'PushedAuthorizationRequest', 'pushed');
  t.deepEqual(pushed?.payload, { jti: 'pushed', request: hint });
});

testOnStores(
  'a user code is found after the secret has changed, and in the older stored form',
  async (t, { db }) => {
    const userCode = 'BCDFGHJK';
    await makeRecord(db, 'DeviceCode', handle, { jti: handle, userCode }, 60);
    const rotated = createKeyring([otherSecret, secret]);
    t.is((await findRecordBySecondHandle(db, rotated, 'DeviceCode', userCode))?.payload.jti, handle);
    t.is(await findRecordBySecondHandle(db, createKeyring([otherSecret]), 'DeviceCode', userCode), null);
    await db('oidc_models').update({ second_id: digest(userCode) });
    t.is((await findRecordBySecondHandle(db, keyring, 'DeviceCode', userCode))?.payload.jti, handle);
    t.is(await findRecordBySecondHandle(db, keyring, 'DeviceCode', 'BCDFGHJL'), null);
  },
);

testOnStores('a pushed request that the previous version stored unsealed is found', async (t, { db }) => {
  const model = 'PushedAuthorizationRequest';
  await makeRecord(db, model, 'pushed', { jti: 'pushed' }, 60);
  await db('oidc_models')
    .where({ model })
    .update({ payload: json({ request: 'x' }) });
  t.deepEqual((await findSealedRecord(db, keyring, model, 'pushed'))?.payload, {
    request: 'x',
    jti: 'pushed',
  });
});
