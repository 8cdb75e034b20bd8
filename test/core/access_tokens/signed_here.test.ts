// Tokens that this process signed itself: the signature need not be verified, everything else must be.
import { signAccessToken } from '../../../src/core/access_tokens/access_token_signer.ts';
import {
  type AccessTokenVerifier,
  createAccessTokenVerifier,
} from '../../../src/core/access_tokens/access_tokens.ts';
import type { SigningKey } from '../../../src/core/keys/signing_keys.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { openTestSession } from '../../helpers/builders.ts';
import { loadKeys } from '../../helpers/keys.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const issuer = 'https://id.example';

interface Scene {
  key: SigningKey;
  session: { id: string };
  verifier: AccessTokenVerifier;
  /** Replaces the list of keys. */
  setKeys: (list: SigningKey[]) => void;
  /** Moves the clock, in milliseconds. */
  advance: (ms: number) => void;
  sign: (changed?: Record<string, unknown>) => Promise<string>;
}

async function setUp({ db }: Store): Promise<Scene> {
  let keys = await loadKeys(db);
  let ahead = 0;
  const [key] = keys;
  if (!key) throw new Error('there is no key');
  const session = await openTestSession(db);
  const { client_id, user_id, id } = session;
  const claims = { iss: issuer, sub: user_id, aud: `${issuer}/api`, client_id, sid: id, token_version: 0 };
  const now = () => Date.now() + ahead;
  return {
    key,
    session,
    verifier: createAccessTokenVerifier(db, issuer, () => keys, now),
    setKeys: (list) => {
      keys = list;
    },
    advance: (ms) => {
      ahead += ms;
    },
    sign: (changed = {}) =>
      signAccessToken(key, { ...claims, ...changed }, { now: Math.floor(now() / 1000), ttl: 900 }),
  };
}

/** The token under a signature that no key has made: only a verifier that skips the check accepts it. */
const withWrongSignature = (token: string) => `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(86)}`;

testOnStores(
  'a noted token is good without a look at its signature, and no other string is',
  async (t, store) => {
    const { verifier, key, sign } = await setUp(store);
    const token = withWrongSignature(await sign());
    t.is(await verifier.read(token), null, 'nobody has noted it');
    verifier.noteSigned(token, key);
    t.is((await verifier.read(token))?.iss, issuer);
    const others = [
      `${token}A`,
      token.slice(0, -1),
      `${token.slice(0, -1)}B`,
      ` ${token}`,
      token.replace('.', '..'),
    ];
    for (const other of others) t.is(await verifier.read(other), null, other.slice(-20));
  },
);

testOnStores('a noted token is checked in all other respects', async (t, store) => {
  const { verifier, key, sign, advance, session } = await setUp(store);
  const wrong = { iss: 'https://evil.example', aud: ['several'], client_id: 7, sub: undefined, nbf: 1 };
  for (const [name, value] of Object.entries(wrong)) {
    const token = await sign({ [name]: value });
    verifier.noteSigned(token, key);
    t.is(await verifier.read(token), null, name);
  }
  const [used, unused] = [await sign(), await sign()];
  for (const token of [used, unused]) verifier.noteSigned(token, key);
  t.truthy(await verifier.verify(used));
  await endSession(store.db, session.id, { reason: 'logout', actor: 'user' });
  for (const token of [used, unused]) t.is(await verifier.verify(token), null, 'its session has ended');
  advance(900_000);
  for (const token of [used, unused]) t.is(await verifier.read(token), null, 'it has expired');
});

testOnStores('a noted token is forgotten with its key', async (t, store) => {
  const { verifier, key, sign, setKeys } = await setUp(store);
  const token = withWrongSignature(await sign());
  verifier.noteSigned(token, key);
  setKeys([]);
  t.is(await verifier.read(token), null);
  verifier.noteSigned(token, key);
  t.is(await verifier.read(token), null, 'the key left while the token was signed');
  setKeys([key]);
  t.is(await verifier.read(token), null, 'and what was forgotten stays forgotten');
});
