import test from 'ava';
import { noMailbox, openMailLimit, takeMail } from '../../../src/core/limits/mail_limits.ts';
import { asRateLimited, keyOf, memoryStore } from '../../../src/core/limits/rate_limit_stores.ts';
import { AppError } from '../../../src/lib/errors.ts';

function openLimits(perMailbox: number, perNetwork: number) {
  const network = memoryStore.open({ keyPrefix: 'mail_address', points: perNetwork, duration: 600 });
  return {
    mail: openMailLimit(memoryStore, { points: perMailbox, seconds: 600 }),
    mailAddress: { consume: async (...key: string[]) => await asRateLimited(network.consume(keyOf(key))) },
  };
}

test('a mailbox gets its number of mails from whatever networks, and the last one is known as the last', async (t) => {
  const limits = openLimits(3, 100);
  const ask = async (ip: string) => await takeMail(limits, { address_key: 'ada@example.com', ip });
  const taken = [
    await ask('192.0.2.1'),
    await ask('192.0.2.2'),
    await ask('2001:db8::1'),
    await ask('192.0.2.1'),
  ];
  t.deepEqual(
    taken.map(({ isAllowed, isLast }) => [isAllowed, isLast]),
    [
      [true, false],
      [true, false],
      [true, true],
      [false, false],
    ],
  );
  t.true(taken.every(({ nextIn }) => nextIn > 590 && nextIn <= 600));
  t.is((await takeMail(limits, { address_key: 'bob@example.com', ip: '192.0.2.1' })).isAllowed, true);
});

test('a network that asks too often is refused, and counts for no mailbox', async (t) => {
  const limits = openLimits(3, 2);
  const ask = async (address_key: string) => await takeMail(limits, { address_key, ip: '192.0.2.9' });
  await ask('one@example.com');
  await ask('two@example.com');
  const refused = await t.throwsAsync(ask('three@example.com'), { instanceOf: AppError });
  t.is(refused?.code, 'rate_limited');
  const own = await takeMail(limits, { address_key: 'three@example.com', ip: '192.0.2.10' });
  t.deepEqual([own.isAllowed, own.isLast], [true, false]);
});

test('a name without a mailbox never counts for the mailbox that is spelled like it', async (t) => {
  const limits = openLimits(1, 100);
  await takeMail(limits, { address_key: noMailbox('ada@example.com'), ip: null });
  t.true((await takeMail(limits, { address_key: 'ada@example.com', ip: null })).isAllowed);
});
