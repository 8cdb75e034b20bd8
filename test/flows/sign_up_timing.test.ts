// How long a request for an account takes tells nobody whether the address has one. In a file of its own, because other tests in this
// process would disturb the measurement.
import { makeUser, password } from '../helpers/builders.ts';
import { acceptedRatio, ratiosToTheFirst } from '../helpers/costs.ts';
import { testOnOwnMailServers } from '../helpers/mail_server.ts';
import { newAddress, requestSignUp } from '../helpers/sign_up.ts';

const rounds = process.env.SOAK ? 200 : 10;
const slow = { onRcptTo: (_to: object, _session: object, done: () => void) => void setTimeout(done, 2_000) };

testOnOwnMailServers(
  'asking for an account takes equally long for every address, also while the mail server takes two seconds',
  { smtp: slow, settings: { SIGN_UP: 'open' } },
  async (t, server) => {
    const [known, unproved, passwordless, banned] = [newAddress(), newAddress(), newAddress(), newAddress()];
    await makeUser(server.db, { email: known, email_verified: true });
    await makeUser(server.db, { email: unproved });
    await makeUser(server.db, { email: passwordless, email_verified: true, password_hash: null });
    const { id } = await makeUser(server.db, { email: banned, email_verified: true });
    await server.db('users').where({ id }).update({ status: 'banned' });
    const works = [newAddress(), known, unproved, passwordless, banned].map((email) => async () => {
      t.is((await requestSignUp(server, { email, password })).status, 202);
    });
    const ratios = await ratiosToTheFirst(works, rounds);
    t.log(ratios.map((ratio) => ratio.toFixed(3)).join(' '));
    for (const ratio of ratios)
      t.true(ratio > acceptedRatio.from && ratio < acceptedRatio.to, `${ratio.toFixed(2)} times as long`);
  },
);
