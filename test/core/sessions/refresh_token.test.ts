import test from 'ava';
import {
  decodeRefreshToken,
  isMinted,
  looksLikeRefreshToken,
  mintRefreshToken,
  newSalt,
  proofSql,
  type TokenSource,
  verifyRefreshToken,
} from '../../../src/core/sessions/refresh_token.ts';
import { rows } from '../../../src/core/store/db.ts';
import { createKeyring, type Keyring, mac } from '../../../src/lib/crypto.ts';
import { idFromBytes, newId } from '../../../src/lib/ids.ts';
import { keyring, otherSecret, secret } from '../../helpers/builders.ts';
import { fc } from '../../helpers/fuzzing.ts';
import { makeStore } from '../../helpers/stores.ts';

const maxGeneration = 2 ** 31 - 2;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const sixteenBytes = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
const source: fc.Arbitrary<TokenSource> = fc.record({
  id: sixteenBytes.map(idFromBytes),
  salt: sixteenBytes,
});
const generation = fc.oneof(fc.integer({ min: 0, max: maxGeneration }), fc.constantFrom(0, 1, maxGeneration));

/** Verifies a token as the token endpoint does: decodes it, then compares it with the session that it names. */
function accepts(ring: Keyring, token: string, session: TokenSource): boolean {
  const decoded = decodeRefreshToken(token);
  return decoded !== null && verifyRefreshToken(ring, decoded, session);
}

function bodyOf(token: string): Buffer {
  return Buffer.from(token.slice('krt_'.length), 'base64url');
}

function withBody(body: Buffer): string {
  return `krt_${body.toString('base64url')}`;
}

test('a minted token can be decoded and verified for any session, salt and generation', (t) => {
  fc.assert(
    fc.property(source, generation, (session, number) => {
      const token = mintRefreshToken(keyring, session, number);
      const decoded = decodeRefreshToken(token);
      t.deepEqual(
        decoded && {
          ...decoded,
          proof: decoded.proof.length,
          body: decoded.body.length,
          tag: decoded.tag.length,
        },
        {
          key_id: keyring.current.id,
          session_id: session.id,
          generation: number,
          proof: 16,
          body: 37,
          tag: 32,
        },
      );
      t.true(accepts(keyring, token, session));
      t.regex(token, /^krt_[A-Za-z0-9_-]{92}$/);
      t.true(looksLikeRefreshToken(token));
      t.is(mintRefreshToken(createKeyring([secret]), { ...session }, number), token);
    }),
    { numRuns: 300 },
  );
});

test('two generations, sessions or salts never share a token', (t) => {
  fc.assert(
    fc.property(source, source, generation, generation, (one, other, first, second) => {
      const tokens = [
        mintRefreshToken(keyring, one, first),
        mintRefreshToken(keyring, { ...one, salt: other.salt }, first),
        mintRefreshToken(keyring, { ...one, id: other.id }, first),
        mintRefreshToken(keyring, one, second),
      ];
      const inputs = [
        [one.id, one.salt, first],
        [one.id, other.salt, first],
        [other.id, one.salt, first],
        [one.id, one.salt, second],
      ];
      t.is(new Set(tokens).size, new Set(inputs.map((input) => JSON.stringify(input))).size);
    }),
  );
});

test('a token in which one bit differs is refused, whichever bit it is', (t) => {
  const session = { id: newId(), salt: newSalt() };
  const both = createKeyring([secret, otherSecret]);
  for (const number of [0, 7, maxGeneration]) {
    const body = bodyOf(mintRefreshToken(keyring, session, number));
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Buffer.from(body);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const token = withBody(changed);
      // The token itself names the session that it is compared with, so an attacker can choose that.
      const named = decodeRefreshToken(token)?.session_id ?? session.id;
      t.false(accepts(both, token, session), `bit ${bit} of generation ${number}`);
      t.false(accepts(both, token, { ...session, id: named }), `bit ${bit} of generation ${number}`);
    }
  }
});

test('a token in which one character differs is refused, whichever character it becomes', (t) => {
  const session = { id: newId(), salt: newSalt() };
  const token = mintRefreshToken(keyring, session, 3);
  t.true(accepts(keyring, token, session));
  let accepted = 0;
  for (let place = 0; place < token.length; place += 1) {
    for (const character of [...alphabet, '+', '/', '=', ' ', '.', '\n', '\0', 'é', '', '\u{1f600}']) {
      if (character === token[place]) continue;
      const changed = token.slice(0, place) + character + token.slice(place + 1);
      if (accepts(keyring, changed, session)) accepted += 1;
    }
  }
  t.is(accepted, 0);
});

test('a token with characters added before, after or inside it is refused', (t) => {
  const session = { id: newId(), salt: newSalt() };
  const token = mintRefreshToken(keyring, session, 0);
  const spellings = [
    ` ${token}`,
    `${token} `,
    `${token}\n`,
    `${token}=`,
    `${token}A`,
    `${token}${token}`,
    `Bearer ${token}`,
    token.slice(0, -1),
    token.slice(4),
    token.replace('krt_', 'KRT_'),
    token.replace('krt_', 'krt_krt_'),
    `${token.slice(0, 40)}\n${token.slice(40)}`,
    `${token.slice(0, 40)}%${token.slice(40)}`,
    token.toUpperCase(),
  ];
  for (const spelling of spellings) t.is(decodeRefreshToken(spelling), null, JSON.stringify(spelling));
});

test('a token is valid only for its own session and salt', (t) => {
  fc.assert(
    fc.property(source, source, generation, (one, other, number) => {
      fc.pre(one.id !== other.id && !one.salt.equals(other.salt));
      const token = mintRefreshToken(keyring, one, number);
      t.false(accepts(keyring, token, other));
      t.false(accepts(keyring, token, { ...one, salt: other.salt }));
      t.false(accepts(keyring, token, { ...one, id: other.id }));
      const theirs = bodyOf(mintRefreshToken(keyring, other, number));
      for (const seam of [21, 37]) {
        const grafted = withBody(Buffer.concat([theirs.subarray(0, seam), bodyOf(token).subarray(seam)]));
        t.false(accepts(keyring, grafted, other), "another session's beginning on this end");
      }
    }),
  );
});

test('the database alone mints nothing: another secret makes another token', (t) => {
  const session = { id: newId(), salt: newSalt() };
  const elsewhere = createKeyring([otherSecret]);
  t.not(keyring.current.id, elsewhere.current.id);
  t.false(accepts(keyring, mintRefreshToken(elsewhere, session, 0), session));
  t.false(accepts(elsewhere, mintRefreshToken(keyring, session, 0), session));
  const forged = bodyOf(mintRefreshToken(elsewhere, session, 0));
  forged.writeUInt8(keyring.current.id, 0);
  t.false(accepts(keyring, withBody(forged), session), 'with our key id on it');
});

test('the secret alone mints nothing: without the salt the proof is wrong, and an old token does not tell the next', (t) => {
  const session = { id: newId(), salt: newSalt() };
  t.false(accepts(keyring, mintRefreshToken(keyring, { ...session, salt: newSalt() }, 1), session));
  const old = decodeRefreshToken(mintRefreshToken(keyring, session, 0));
  if (!old) throw new Error('a token of ours does not decode');
  // A thief of the secret signs the next generation with the only proof known to them.
  const body = bodyOf(mintRefreshToken(keyring, session, 1)).subarray(0, 37);
  old.proof.copy(body, 21);
  const tag = mac(keyring.current.keyFor('refresh-token'), body);
  const forged = decodeRefreshToken(withBody(Buffer.concat([body, tag])));
  if (!forged) throw new Error('the forged token has another form');
  t.true(isMinted(keyring, forged), 'the tag is good');
  t.false(verifyRefreshToken(keyring, forged, session), 'the proof is not');
});

test('a token that was not minted with one of our secrets is recognised without its session', (t) => {
  const decoded = decodeRefreshToken(mintRefreshToken(keyring, { id: newId(), salt: newSalt() }, 3));
  t.true(decoded !== null && isMinted(keyring, decoded));
  t.false(decoded !== null && isMinted(createKeyring([otherSecret]), decoded));
});

test('Postgres computes the same proof from a salt and a generation', async (t) => {
  const { db, drop } = await makeStore('postgres');
  t.teardown(drop);
  for (const number of [0, 1, 255, 256, 65_536, maxGeneration]) {
    const session = { id: newId(), salt: newSalt() };
    const decoded = decodeRefreshToken(mintRefreshToken(keyring, session, number));
    const [row] = await rows<{ proof: Buffer }>(
      db,
      `select ${proofSql('cast(:salt as bytea)', 'cast(:number as int)')} as proof`,
      { salt: session.salt, number },
    );
    t.deepEqual(row?.proof, decoded?.proof, String(number));
  }
});

test('a list of secrets mints with the first and verifies with all, in any order', (t) => {
  const session = { id: newId(), salt: newSalt() };
  const alone = mintRefreshToken(keyring, session, 4);
  const appended = createKeyring([secret, otherSecret]);
  const moved = createKeyring([otherSecret, secret]);
  t.is(mintRefreshToken(appended, session, 4), alone);
  t.is(mintRefreshToken(moved, session, 4), mintRefreshToken(createKeyring([otherSecret]), session, 4));
  for (const ring of [appended, moved]) {
    t.true(accepts(ring, alone, session));
    t.true(accepts(ring, mintRefreshToken(moved, session, 4), session));
  }
  t.false(accepts(createKeyring([otherSecret]), alone, session), 'a removed secret verifies nothing');
});

test('a generation whose successor the database cannot store is refused even with a valid tag', (t) => {
  const session = { id: newId(), salt: newSalt() };
  t.true(accepts(keyring, mintRefreshToken(keyring, session, maxGeneration), session));
  for (const number of [maxGeneration + 1, 2 ** 31, 2 ** 32 - 1]) {
    t.is(decodeRefreshToken(mintRefreshToken(keyring, session, number)), null, String(number));
  }
});

test('arbitrary input is no token and never throws', (t) => {
  const bytes = fc.uint8Array({ maxLength: 120 }).map((one) => Buffer.from(one).toString('base64url'));
  const anything = fc.string({ unit: 'binary', maxLength: 200 });
  const garbage = fc.oneof(anything, bytes, fc.string(), fc.stringMatching(/^[A-Za-z0-9_-]{92}$/));
  fc.assert(
    fc.property(garbage, fc.constantFrom('', 'krt_', 'krt', 'KRT_', 'krt_ '), (text, start) => {
      const decoded = decodeRefreshToken(start + text);
      // Random bytes may have the form of a token; then this is its only spelling, and the tag decides.
      if (decoded === null) return;
      t.regex(start + text, /^krt_[A-Za-z0-9_-]{92}$/);
      t.false(verifyRefreshToken(keyring, decoded, { id: decoded.session_id, salt: newSalt() }));
    }),
    { numRuns: 2_000 },
  );
  t.is(decodeRefreshToken(''), null);
  t.is(decodeRefreshToken('krt_'), null);
  t.is(decodeRefreshToken(`krt_${'A'.repeat(1_000_000)}`), null);
});

test('salts do not repeat', (t) => {
  const salts = Array.from({ length: 1_000 }, () => newSalt().toString('hex'));
  t.is(new Set(salts).size, 1_000);
  t.true(salts.every((salt) => salt.length === 32));
});
