// In a file of its own, because other tests in the same process would disturb the measurement.
import { authenticate } from '../../../src/core/passwords/credentials.ts';
import { findUserByLogin } from '../../../src/core/users/users.ts';
import { makeUser } from '../../helpers/builders.ts';
import { acceptedRatio, ratiosToTheFirst } from '../../helpers/costs.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores('the duration does not reveal which users exist', async (t, { db }) => {
  await makeUser(db, { username: 'alice', email: 'alice@example.com' });
  await makeUser(db, { username: 'no-password', password_hash: null });
  const logins = ['alice', 'alice@example.com', 'nobody', 'nobody@example.com', 'no-password'];
  const works = logins.map((login) => async () => {
    await authenticate(db, await findUserByLogin(db, login), 'a wrong password');
  });
  const ratios = await ratiosToTheFirst(works, 10);
  for (const [i, ratio] of ratios.entries()) {
    t.true(
      ratio > acceptedRatio.from && ratio < acceptedRatio.to,
      `${logins[i + 1]}: ${ratio.toFixed(2)} times as long`,
    );
  }
});
