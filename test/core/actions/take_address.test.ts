import { takeAddress } from '../../../src/core/actions/take_address.ts';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { keyring, makeUser, openTestSession } from '../../helpers/builders.ts';
import { rowOf, rowsOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

const address = 'ada@example.com';

testOnStores('an address that nobody has proved goes to the user who proves it', async (t, { db }) => {
  const holder = await makeUser(db, { email: 'Ada@example.com' });
  await openTestSession(db, { user: holder });
  const before = await rowsOf(db('sessions').where({ user_id: holder.id }));
  const taker = await makeUser(db);
  const locked = await db.transaction((tx) => takeAddress(tx, { address, user_id: taker.id }));
  t.is(locked?.id, taker.id);
  const after = await findUser(db, holder.id);
  t.deepEqual(
    [after?.username, after?.email, after?.email_key, after?.code_version],
    [holder.username, null, null, holder.code_version + 1],
  );
  t.deepEqual(await rowsOf(db('sessions').where({ user_id: holder.id })), before, 'the sessions go on');
  const { type, actor, detail, ip } = await rowOf(
    db('audit_events').where({ user_id: holder.id, type: 'email_lost' }).first(),
  );
  t.deepEqual([type, actor, detail, ip], ['email_lost', 'system', null, null]);
});

testOnStores('a user without a username gets one with the loss of the address', async (t, { db }) => {
  const { id } = await makeUser(db, { email: address });
  await db('users').where({ id }).update({ username: null, username_key: null });
  t.is(await db.transaction((tx) => takeAddress(tx, { address, user_id: null })), null);
  const user = await findUser(db, id);
  t.regex(user?.username ?? '', /^user-[a-z]{8}$/);
  t.is(user?.username, user?.username_key);
  const event = await rowOf(db('audit_events').where({ user_id: id, type: 'email_lost' }).first());
  t.deepEqual(event.detail, { username: user?.username });
});

testOnStores('a proved address and a former one that can be restored are not taken', async (t, { db }) => {
  await makeUser(db, { email: address, email_verified: true });
  const owner = await makeUser(db);
  const former = 'former@example.com';
  await db.transaction((tx) =>
    issueCode(tx, keyring, { purpose: 'undo_email', user: owner, address: former }),
  );
  for (const taken of [address, former]) {
    const work = db.transaction((tx) => takeAddress(tx, { address: taken, user_id: null }));
    await t.throwsAsync(work, { message: 'This e-mail address is taken.' });
  }
  const restored = await db.transaction((tx) => takeAddress(tx, { address: former, user_id: owner.id }));
  t.is(restored?.id, owner.id, 'its own user may restore it');
  t.is(await db('audit_events').where({ type: 'email_lost' }).first(), undefined);
});
