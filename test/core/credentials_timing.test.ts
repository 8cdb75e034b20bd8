// In a file of its own: what runs in the same process would wait for the same places at the hashing gate.
import { authenticate } from '../../src/core/credentials.ts';
import type { Db } from '../../src/core/db.ts';
import { findUserByLogin } from '../../src/core/users.ts';
import { makeUser } from '../helpers/builders.ts';
import { testOnStores } from '../helpers/stores.ts';

function median(times: number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;
}

async function timed(db: Db, login: string): Promise<number> {
  const begin = performance.now();
  await authenticate(db, await findUserByLogin(db, login), 'a wrong password');
  return performance.now() - begin;
}

/** The median time of each login; taken in turn, so that whatever else the machine does slows all of them alike. */
async function measure(db: Db, logins: string[], rounds: number): Promise<number[]> {
  const times = logins.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, login] of logins.entries()) times[i]?.push(await timed(db, login));
  }
  return times.map(median);
}

testOnStores('time does not tell who exists', async (t, { db }) => {
  await makeUser(db, { username: 'alice', email: 'alice@example.com' });
  await makeUser(db, { username: 'no-password', password_hash: null });
  const logins = ['alice', 'alice@example.com', 'nobody', 'nobody@example.com', 'no-password'];
  await measure(db, logins, 1);
  let ratios: number[] = [];
  const areEven = () => ratios.length > 0 && ratios.every((ratio) => ratio > 0.5 && ratio < 2);
  // A machine under load may spoil one measurement; what skips the hashing is 20 times faster in all of them.
  for (let attempt = 0; attempt < 3 && !areEven(); attempt += 1) {
    const [existing = 0, ...others] = await measure(db, logins, 15);
    ratios = others.map((time) => time / existing);
  }
  t.true(areEven(), `times of ${logins.slice(1).join(', ')} against a wrong password: ${ratios.join(', ')}`);
});
