// The peer of the login bench: verifies a password as the server does (same strength, same concurrency gate) and nothing else.
import { hashPassword, verifyPassword } from '../../src/core/passwords/password_hash.ts';

const { PASSWORD = '' } = process.env;
const stored = await hashPassword(PASSWORD);

process.on('message', async ({ seconds, parallel }: { seconds: number; parallel: number }) => {
  const start = performance.now();
  const end = start + seconds * 1000;
  let count = 0;
  const loop = async () => {
    while (performance.now() < end) {
      if (!(await verifyPassword(PASSWORD, stored))) throw new Error('the password does not match its hash');
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: parallel }, loop));
  process.send?.({ count, elapsed: (performance.now() - start) / 1000 });
});
process.once('disconnect', () => process.exit());
process.send?.({ port: 0 });
