// What a deletion does with mails and codes: the last mail is queued with it, everything else that waits for the user dies.
import type { ExecutionContext } from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { deleteSelf } from '../../../src/core/actions/delete_self.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { type Deps, openDeps } from '../../../src/core/deps.ts';
import { enqueueMail } from '../../../src/core/mail/mails.ts';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { findLink } from '../../../src/core/one_time_codes/spend.ts';
import type { User } from '../../../src/core/users/users.ts';
import { makeUser, openTestSession, password, source } from '../../helpers/builders.ts';
import { enableMail, waitingMails } from '../../helpers/outbox_mails.ts';
import { environment } from '../../helpers/server.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

async function open(t: ExecutionContext, store: Store): Promise<Deps> {
  const deps = await openDeps(loadConfig(environment(store.url)));
  t.teardown(deps.close);
  enableMail(deps.db);
  return deps;
}

async function remove(deps: Deps, user: User, current_password = password): Promise<void> {
  const { id } = await openTestSession(deps.db, { user });
  const asker = { session_id: id };
  await deleteSelf(deps, { user_id: user.id, asker, current_password, requireRecentLogin: () => {}, source });
}

/** A code and a mail for each of these purposes; the secret parts of the links. */
async function makeCodes(deps: Deps, user: User): Promise<string[]> {
  return await deps.db.transaction(async (tx) => {
    const tokens = [];
    for (const purpose of ['recover', 'undo_email', 'not_me'] as const) {
      const address = purpose === 'undo_email' ? 'former@x.example' : 'now@x.example';
      const { token } = await issueCode(tx, deps.keyring, { purpose, user, address, request: purpose });
      tokens.push(token);
      const body = { kind: 'recover', to: address, isProved: true, path: `/recover/${token}` } as const;
      await enqueueMail(tx, { ...body, user_id: user.id, at: new Date() });
    }
    return tokens;
  });
}

testOnStores(
  'the last mail goes to the verified address, and codes and waiting mails die',
  async (t, store) => {
    const deps = await open(t, store);
    const user = await makeUser(deps.db, {
      email: 'now@x.example',
      email_verified: true,
      claims: { zoneinfo: 'Asia/Tokyo' },
    });
    const [token = ''] = await makeCodes(deps, user);
    await remove(deps, user);
    const mails = await waitingMails(deps.db);
    t.deepEqual(
      mails.map(({ kind, to, zoneinfo, facts }) => [kind, to, zoneinfo, facts?.name]),
      ['now@x.example', 'former@x.example'].map((to) => ['user_deleted', to, 'Asia/Tokyo', user.username]),
    );
    t.is((await findLink(deps.db, 'recover', token)).state, 'unknown');
    t.deepEqual(await deps.db('one_time_codes').where({ user_id: user.id }), []);
  },
);

testOnStores('nothing is written when the password is wrong, or no address is proved', async (t, store) => {
  const deps = await open(t, store);
  const user = await makeUser(deps.db, { email: 'unproved@x.example', email_verified: false });
  const refused = await t.throwsAsync(remove(deps, user, 'wrong'));
  t.is(refused?.message, 'The current password is wrong.');
  t.deepEqual(await waitingMails(deps.db), []);
  await deps.audit.flush();
  t.deepEqual((await deps.db('audit_events').where({ type: 'user_deletion_failed' })).length, 1);
  await remove(deps, user);
  t.deepEqual(await waitingMails(deps.db), []);
});

testOnStores('a deletion by an administrator kills codes and waiting mails too', async (t, store) => {
  const deps = await open(t, store);
  const user = await makeUser(deps.db, { email: 'now@x.example', email_verified: true });
  await makeCodes(deps, user);
  await changeUserStatus(deps.db, user.id, { status: 'deleted', actor: 'admin' });
  t.deepEqual(await waitingMails(deps.db), []);
  t.deepEqual(await deps.db('one_time_codes').where({ user_id: user.id }), []);
});
