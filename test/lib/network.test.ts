import test from 'ava';
import { canonicalAddress, networkOf } from '../../src/lib/network.ts';

test('an address has one canonical form', (t) => {
  for (const [written, canonical] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
  ] as const) {
    t.is(canonicalAddress(written), canonical);
  }
});

test('text that is no address has no canonical form', (t) => {
  for (const text of ['', 'unknown', '192.0.2', '192.0.2.7:80', '[::1]', '0x7f.1', '1'])
    t.is(canonicalAddress(text), null);
});

test('an IPv4 address is its own network, however it is written', (t) => {
  t.is(networkOf('192.0.2.7'), '192.0.2.7');
  t.is(networkOf('::ffff:192.0.2.7'), '192.0.2.7');
  t.is(networkOf('::ffff:c000:207'), '192.0.2.7');
});

test('IPv6 addresses of one /64 are one network, those of the next /64 another', (t) => {
  const network = '2001:db8:0:1::/64';
  for (const ip of ['2001:db8:0:1::', '2001:db8:0:1::7', '2001:DB8:0:1:ffff:ffff:ffff:ffff'])
    t.is(networkOf(ip), network);
  t.is(networkOf('2001:db8:0:2::7'), '2001:db8:0:2::/64');
  t.is(networkOf('fe80::1%eth0'), networkOf('fe80::2'));
});

test('an IPv6 address is cut after 64 bits, however its zeros are abbreviated', (t) => {
  t.is(networkOf('::1'), '0:0:0:0::/64');
  t.is(networkOf('1::'), '1:0:0:0::/64');
  t.is(networkOf('::2:3:4:5:6:7:8'), '0:2:3:4::/64');
  t.is(networkOf('1:2:3:4:5:6:7:8'), '1:2:3:4::/64');
  t.is(networkOf('::192.0.2.7'), '0:0:0:0::/64');
});

test('all texts that are no address are counted together', (t) => {
  t.is(networkOf(null), '');
  t.is(networkOf('unknown'), '');
});
