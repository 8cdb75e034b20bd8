// Asking for an address, as the database sees it, and changes of two users at once.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import {
  type AddressDeps,
  requestAddressChange,
  verifyAddress,
  verifyAddressByCode,
} from '../../../src/core/actions/change_address.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { findLink } from '../../../src/core/one_time_codes/spend.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { makeUser, openTestSession, password, source } from '../../helpers/builders.ts';
import { secretOf, waitingMails } from '../../helpers/outbox_mails.ts';
import { openRecoveryDeps } from '../../helpers/recovery.ts';
import { statementsOf } from '../../helpers/statements.ts';
import { testOnStores } from '../../helpers/stores.ts';

async function openDeps(t: ExecutionContext, db: Knex): Promise<AddressDeps> {
  const deps = await openRecoveryDeps(t, db);
  return { ...deps, config: { signUpDomains: null, recovery: true, mail: { smtpUrl: null, folder: null } } };
}

/** A user with a session that asks for an address. */
async function makeAsker(db: Knex) {
  const user = await makeUser(db);
  const { id: session_id } = await openTestSession(db, { user });
  return { user_id: user.id, asker: { session_id } };
}

const beginningOf = (sql: string) => sql.replaceAll(/["`]/g, '').slice(0, 24);

testOnStores(
  'asking costs the same statements and leaves the same rows, whoever has the address',
  async (t, { db }) => {
    const deps = await openDeps(t, db);
    await makeUser(db, { email: 'taken@x.example', email_verified: true });
    await makeUser(db, { email: 'held@x.example' });
    const costs = [];
    for (const email of ['free@x.example', 'taken@x.example', 'held@x.example']) {
      const who = await makeAsker(db);
      const ask = () => requestAddressChange(deps, { ...who, email, current_password: password, source });
      const sent = await statementsOf(db, ask);
      const codes = await db('one_time_codes').where({ user_id: who.user_id }).count({ count: '*' });
      costs.push({ sent: sent.map(beginningOf), codes: Number(codes[0]?.count) });
    }
    const [free] = costs;
    t.is(free?.codes, 1);
    t.deepEqual(costs, [free, free, free]);
    const mails = await waitingMails(db);
    t.deepEqual(
      mails.map(({ kind, to, code }) => [kind, to, typeof code]),
      [
        ['verify_email', 'free@x.example', 'string'],
        ['verify_email_known', 'taken@x.example', 'undefined'],
        ['verify_email', 'held@x.example', 'string'],
      ],
    );
    t.false(
      mails.some(({ isProved }) => isProved),
      'no mail has a text of the requester',
    );
  },
);

testOnStores('of two users who prove one address at once, one gets it', async (t, { db }) => {
  const deps = await openDeps(t, db);
  const email = 'both@x.example';
  const both = [await makeAsker(db), await makeAsker(db)];
  for (const who of both)
    await requestAddressChange(deps, { ...who, email, current_password: password, source });
  const codes = (await waitingMails(db)).map(({ code }) => code ?? '');
  const results = await Promise.allSettled(
    both.map((who, at) => verifyAddressByCode(deps, { ...who, code: codes[at] ?? '', source })),
  );
  t.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const refused = results.find((one) => one.status === 'rejected');
  t.is(refused?.reason.code, 'email_taken');
  const owners = await db('users').where({ email_key: email }).whereNotNull('email_verified_at');
  t.is(owners.length, 1);
});

testOnStores('of two uses of one code at once, one counts', async (t, { db }) => {
  const deps = await openDeps(t, db);
  const who = await makeAsker(db);
  await requestAddressChange(deps, { ...who, email: 'once@x.example', current_password: password, source });
  const [mail] = await waitingMails(db);
  const uses = await Promise.allSettled(
    [1, 2, 3].map(() => verifyAddressByCode(deps, { ...who, code: mail?.code ?? '', source })),
  );
  t.is(uses.filter(({ status }) => status === 'fulfilled').length, 1);
  t.is((await db('audit_events').where({ user_id: who.user_id, type: 'email_changed' })).length, 1);
});

testOnStores('a link counts for nobody but its user, and not after a ban', async (t, { db }) => {
  const deps = await openDeps(t, db);
  const who = await makeAsker(db);
  const stranger = await makeAsker(db);
  await requestAddressChange(deps, { ...who, email: 'link@x.example', current_password: password, source });
  const [mail] = await waitingMails(db);
  const { code } = await findLink(db, 'verify_email', secretOf({ path: mail?.path }));
  if (!code) return t.fail('there is a link');
  const login = await findUser(db, stranger.user_id);
  if (!login) return t.fail('there is a user');
  for (const prover of [{ asker: stranger.asker }, { login }])
    await t.throwsAsync(verifyAddress(deps, code, prover, source), { message: /access token/ });
  await changeUserStatus(db, who.user_id, { status: 'banned', actor: 'admin' });
  await changeUserStatus(db, who.user_id, { status: 'active', actor: 'admin' });
  t.is((await findLink(db, 'verify_email', secretOf({ path: mail?.path }))).state, 'used');
  await t.throwsAsync(verifyAddress(deps, code, { asker: who.asker }, source));
  t.is((await findUser(db, who.user_id))?.email, null);
});
