import type { LookupAddress } from 'node:dns';
import test from 'ava';
import { isReservedAddress, lookupPublic } from '../../src/lib/reserved_addresses.ts';

test('addresses outside the public internet are reserved, in any spelling', (t) => {
  for (const address of [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::FFFF:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12::1',
    'fe80::1%eth0',
    'febf::1',
    'ff02::1',
    'localhost',
    '',
  ])
    t.true(isReservedAddress(address), address);
});

test('public addresses are not reserved', (t) => {
  for (const address of ['1.1.1.1', '9.9.9.9', '172.32.0.1', '198.20.0.1', '192.0.3.1', '223.255.255.1'])
    t.false(isReservedAddress(address), address);
  for (const address of ['2606:4700::1111', '2a00::1', '::ffff:1.1.1.1', '::ffff:101:101'])
    t.false(isReservedAddress(address), address);
});

function resolve(hostname: string, options: object) {
  return new Promise<string | LookupAddress[]>((found, failed) => {
    lookupPublic(hostname, options, (error, addresses) => (error ? failed(error) : found(addresses)));
  });
}

test('a name with a reserved address is not resolved', async (t) => {
  for (const options of [{}, { all: true }, { family: 4 }])
    await t.throwsAsync(resolve('localhost', options), { message: 'localhost has a reserved address' });
  t.is(await resolve('1.1.1.1', {}), '1.1.1.1');
  t.deepEqual(await resolve('1.1.1.1', { all: true }), [{ address: '1.1.1.1', family: 4 }]);
});
