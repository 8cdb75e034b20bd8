// Taking up an invitation after a login, which must still be good when the rights are given.
import { loadConfig } from '../../../config/index.ts';
import { takeUpInvitation } from '../../../src/core/actions/accept_invitation.ts';
import { invite } from '../../../src/core/actions/invitations.ts';
import { openRateLimits } from '../../../src/core/limits/rate_limits.ts';
import { proofOf } from '../../../src/core/passwords/credentials.ts';
import { endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { createLog } from '../../../src/lib/log.ts';
import { keyring, makeUser, source } from '../../helpers/builders.ts';
import { environment } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores('a login that has become void meanwhile takes up no invitation', async (t, { db, url }) => {
  const config = loadConfig(environment(url));
  const limits = await openRateLimits(db, config.rateLimits, createLog({ level: 'error' }));
  const deps = { db, keyring, limits, config };
  const user = await makeUser(db, { email: 'ada@example.com', email_verified: true });
  const rights = { roles: ['editor'], permissions: [], tenant_id: null };
  const invited = await invite(deps, { email: 'ada@example.com', ...rights }, { actor: 'admin' });
  const token = invited.url?.split('/').at(-1) ?? '';
  const takeUp = async (proof: string) =>
    await takeUpInvitation(deps, { token, user_id: user.id, proof, source });
  const before = proofOf(user);
  await endAllSessions(db, user.id, { reason: 'logout_all', actor: 'user' });
  await t.throwsAsync(takeUp(before), { message: /code|link/i });
  t.deepEqual((await findUser(db, user.id))?.roles, []);
  const now = await findUser(db, user.id);
  await takeUp(proofOf(now ?? user));
  t.deepEqual((await findUser(db, user.id))?.roles, ['editor'], 'the link was not spent');
});
