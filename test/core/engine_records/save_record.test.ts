import { findSealedRecord } from '../../../src/core/engine_records/engine_records.ts';
import { type NewEngineRecord, saveRecord } from '../../../src/core/engine_records/save_record.ts';
import { raiseSessionEpoch } from '../../../src/core/users/user_changes.ts';
import { keyring, makeUser } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const interaction = (payload: Record<string, unknown>): NewEngineRecord => ({
  model: 'Interaction',
  id: 'page',
  payload: { jti: 'page', ...payload },
  ttl: 60,
});

testOnStores('a record that was written since it was read is not overwritten', async (t, { db }) => {
  const read = async () => await findSealedRecord(db, keyring, 'Interaction', 'page');
  await saveRecord(db, keyring, interaction({}));
  const replaces = (await read())?.sealed ?? '';
  t.true(await saveRecord(db, keyring, { ...interaction({ isDone: true }), replaces }));
  t.false(await saveRecord(db, keyring, { ...interaction({ result: 'late' }), replaces }));
  t.deepEqual((await read())?.payload, { jti: 'page', isDone: true });
});

testOnStores('the browser session of a login whose proof is void is not written', async (t, { db }) => {
  const user = await makeUser(db);
  const { id: user_id, password_hash, session_epoch } = user;
  const login = (id: string, proved: NonNullable<NewEngineRecord['proved']>): NewEngineRecord => ({
    model: 'Session',
    id,
    payload: { jti: id, uid: `uid of ${id}`, accountId: user_id },
    ttl: 60,
    session_epoch,
    proved,
  });
  const proved = { user_id, password_hash, session_epoch };
  t.false(await saveRecord(db, keyring, login('other password', { ...proved, password_hash: 'another' })));
  t.true(await saveRecord(db, keyring, login('first', proved)));
  t.true(await saveRecord(db, keyring, { ...login('renamed', proved), storedAs: 'first' }));
  await db.transaction(async (tx) => await raiseSessionEpoch(tx, user_id));
  t.false(await saveRecord(db, keyring, login('late', proved)));
  t.false(await saveRecord(db, keyring, { ...login('renamed again', proved), storedAs: 'renamed' }));
  const expired = await Promise.all(
    ['renamed', 'late', 'renamed again'].map(async (id) => {
      return (await findSealedRecord(db, keyring, 'Session', id))?.is_expired ?? 'none';
    }),
  );
  t.deepEqual(expired, [true, 'none', 'none']);
});
