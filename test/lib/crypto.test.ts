import { randomBytes } from 'node:crypto';
import test from 'ava';
import {
  createKeyring,
  digest,
  equalBytes,
  type Keyring,
  mac,
  SealError,
  seal,
  unseal,
} from '../../src/lib/crypto.ts';
import { fc } from '../helpers/fuzzing.ts';

// Fixed, because two random ones share a key id once in 256 runs.
const [first, second, third] = [1, 2, 3].map((n) => Buffer.alloc(32, n).toString('base64url')) as [
  string,
  string,
  string,
];

const text = fc.string({ unit: 'grapheme', maxLength: 2000 });

test('a key keeps its id at any position of its secret in the list', (t) => {
  const ring = createKeyring([first, second, third]);
  const turned = createKeyring([third, first, second]);
  t.is(ring.current.id, createKeyring([first]).current.id);
  t.is(turned.current.id, createKeyring([third]).current.id);
  t.deepEqual(ring.all.map((key) => key.id).toSorted(), turned.all.map((key) => key.id).toSorted());
});

test('each key of the list is found by its id, and no other key is', (t) => {
  const ring = createKeyring([first, second]);
  const known = new Map(ring.all.map((key) => [key.id, key]));
  for (let id = 0; id < 256; id += 1) t.is(ring.find(id), known.get(id) ?? null);
});

test('a list with two secrets of one key id, or with none, is refused', (t) => {
  t.throws(() => createKeyring([first, first]), { message: /two secrets share a key id/ });
  t.throws(() => createKeyring([]), { message: /is empty/ });
});

test('keys differ by purpose and by secret, and are the same each time', (t) => {
  const data = Buffer.from('data');
  const tag = (secret: string, purpose: string) =>
    mac(createKeyring([secret]).current.keyFor(purpose), data).toString('hex');
  t.is(tag(first, 'a'), tag(first, 'a'));
  t.not(tag(first, 'a'), tag(first, 'b'));
  t.not(tag(first, 'a'), tag(second, 'a'));
});

test('a sealed text opens to the same text', (t) => {
  const ring = createKeyring([first]);
  fc.assert(
    fc.property(text, text, (plain, context) => {
      t.is(unseal(ring, 'p', seal(ring, 'p', plain, context), context), plain);
    }),
  );
});

test('a sealed value opens after its secret has moved down the list, but not after it is removed', (t) => {
  const box = seal(createKeyring([first]), 'p', 'plain', 'row 1');
  t.is(unseal(createKeyring([second, first]), 'p', box, 'row 1'), 'plain');
  t.throws(() => unseal(createKeyring([second]), 'p', box, 'row 1'), {
    instanceOf: SealError,
    message: /not in the list/,
  });
});

test('a sealed value moved to another row, or used for another purpose, does not open', (t) => {
  const ring = createKeyring([first]);
  const box = seal(ring, 'p', 'plain', 'row 1');
  t.throws(() => unseal(ring, 'p', box, 'row 2'));
  t.throws(() => unseal(ring, 'q', box, 'row 1'));
});

test('a sealed value with any bit changed, or cut anywhere, does not open', (t) => {
  const ring = createKeyring([first, second]);
  const box = Buffer.from(seal(ring, 'p', 'plain', ''), 'base64url');
  const opens = (bytes: Buffer) => unseal(ring, 'p', bytes.toString('base64url'), '');
  for (let bit = 0; bit < box.length * 8; bit += 1) t.throws(() => opens(withFlippedBit(box, bit)));
  for (let length = 0; length < box.length; length += 1) t.throws(() => opens(box.subarray(0, length)));
});

test('a sealed value of another deployment does not open, not even under the same key id', (t) => {
  const ours = createKeyring([first]);
  const theirs = ringWithId(ours.current.id);
  t.throws(() => unseal(ours, 'p', seal(theirs, 'p', 'plain', ''), ''), { instanceOf: SealError });
});

test('sealing twice gives two different values', (t) => {
  const ring = createKeyring([first]);
  t.not(seal(ring, 'p', 'plain', ''), seal(ring, 'p', 'plain', ''));
});

test('bytes are equal only to the same bytes', (t) => {
  t.true(equalBytes(Buffer.from('abc'), Buffer.from('abc')));
  t.false(equalBytes(Buffer.from('abc'), Buffer.from('abd')));
  t.false(equalBytes(Buffer.from('abc'), Buffer.from('ab')));
  t.true(equalBytes(Buffer.alloc(0), Buffer.alloc(0)));
});

test('a digest is SHA-256 in base64url', (t) => {
  t.is(digest('abc'), 'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0');
});

function withFlippedBit(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

// One secret in 256 has the id.
function ringWithId(id: number): Keyring {
  for (;;) {
    const ring = createKeyring([randomBytes(32).toString('base64url')]);
    if (ring.current.id === id) return ring;
  }
}
