// How long a recovery takes tells nobody whether a name has a user: no mail is sent within a request, and each name costs the same. In a
// file of its own, because other tests in this process would disturb the measurement.
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import { acceptedRatio, ratiosToTheFirst } from '../helpers/costs.ts';
import { testOnOwnMailServers } from '../helpers/mail_server.ts';
import { api } from '../helpers/oauth.ts';
import { makeReachable } from '../helpers/recovery.ts';

const rounds = process.env.SOAK ? 200 : 10;
const slow = { onRcptTo: (_to: object, _session: object, done: () => void) => void setTimeout(done, 2_000) };

testOnOwnMailServers(
  'asking for a recovery takes equally long for every name, also while the mail server takes two seconds',
  { smtp: slow },
  async (t, server) => {
    const banned = await makeReachable(server.db);
    await changeUserStatus(server.db, banned.id, { status: 'banned', actor: 'admin' });
    const names = [
      (await makeReachable(server.db)).username,
      'nobody',
      (await makeReachable(server.db, { email_verified: false })).username,
      (await makeReachable(server.db, { password_hash: null })).username,
      banned.username,
    ];
    const works = names.map((login) => async () => {
      t.is((await api(server, 'POST /recovery', undefined, { json: { login } })).status, 202);
    });
    const ratios = await ratiosToTheFirst(works, rounds);
    t.log(ratios.map((ratio) => ratio.toFixed(3)).join(' '));
    for (const ratio of ratios)
      t.true(ratio > acceptedRatio.from && ratio < acceptedRatio.to, `${ratio.toFixed(2)} times as long`);
  },
);
