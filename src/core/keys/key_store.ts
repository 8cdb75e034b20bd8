// The signing keys in memory: read at the start and again after any node rotated them; listeners are told of each change.
import type { Keyring } from '../../lib/crypto.ts';
import type { SigningAlgs } from '../../lib/jws.ts';
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { type NodeNotices, notifyNodes } from '../store/node_notices.ts';
import { dropUnwantedUpcoming, publishUpcomingKeys, requireCurrentKeys } from './make_keys.ts';
import { type KeyRotation, type KeyRotationOutcome, rotateSigningKeys } from './rotate_keys.ts';
import {
  listSigningKeys,
  type NamedAlgs,
  type SigningAlg,
  type SigningKey,
  unsealSigningKeys,
  wantedAlgs,
} from './signing_keys.ts';

export interface KeyStore {
  /** All keys, the current ones first, those of the first algorithm before the others. A new array after each change. */
  list: () => SigningKey[];
  /** The algorithms by which the server signs. */
  algs: () => SigningAlgs;
  /** The key that signs by this algorithm, one of {@link algs}. */
  current: (alg: SigningAlg) => SigningKey;
  /** The key that signs access tokens: that of the first algorithm. */
  ofAccessTokens: () => SigningKey;
  onChange: (listener: () => void) => void;
  /** Rotates for all nodes: this node has the new keys when it returns, the others within seconds. */
  rotate: (rotation: KeyRotation) => Promise<KeyRotationOutcome>;
  /** Publishes upcoming keys that are missing. */
  publishMissing: () => Promise<void>;
  /** Takes over the keys of the database if they have changed. */
  refresh: () => Promise<void>;
  /** Waits for keys that are being made. */
  close: () => Promise<void>;
}

export interface KeyStoreOptions {
  keyring: Keyring;
  named: NamedAlgs;
  notices: NodeNotices;
  log: Log;
}

/** Opens the keys and follows their changes. Waits for the current ones; upcoming ones that are missing are made meanwhile. */
export async function openKeyStore(db: Db, options: KeyStoreOptions): Promise<KeyStore> {
  const { keyring, named, notices, log } = options;
  const stored = await requireCurrentKeys(db, keyring, named);
  let opened = openKeys(unsealSigningKeys(stored, keyring), named);
  const listeners: (() => void)[] = [];
  const reload = async () => {
    const rows = await listSigningKeys(db);
    if (fingerprint(rows) === opened.fingerprint) return;
    opened = openKeys(unsealSigningKeys(rows, keyring), named);
    for (const listener of listeners) listener();
  };
  // One after the other, because a slow read would overwrite the keys of a later one.
  let reloading = Promise.resolve();
  const refresh = () => {
    reloading = reloading.then(reload, reload);
    return reloading;
  };
  const announce = async (isChanged: boolean) => {
    if (!isChanged) return;
    await notifyNodes(db, 'signing_keys');
    await refresh();
  };
  const prepare = async () => {
    const isLess = await dropUnwantedUpcoming(db, named, stored);
    await announce((await publishUpcomingKeys(db, keyring, named, stored)) || isLess);
  };
  // The job that rotates the keys tries again.
  const prepared = prepare().catch((err) => log.error({ err }, 'the upcoming signing keys were not made'));
  notices.watch('signing_keys', refresh);
  return {
    list: () => opened.keys,
    algs: () => opened.algs(),
    current: (alg) => currentOf(opened.keys, alg),
    ofAccessTokens: () => currentOf(opened.keys, opened.algs().offered[0]),
    onChange: (listener) => listeners.push(listener),
    async rotate(rotation) {
      const result = await rotateSigningKeys(db, keyring, rotation);
      // Also where all are too young: missing keys may have been published.
      await announce(true);
      return result;
    },
    async publishMissing() {
      await announce(await publishUpcomingKeys(db, keyring, named, await listSigningKeys(db)));
    },
    refresh,
    close: async () => await prepared,
  };
}

function fingerprint(keys: { kid: string; status: string }[]): string {
  return keys.map((key) => `${key.kid} ${key.status}`).join();
}

function openKeys(listed: SigningKey[], named: NamedAlgs) {
  const wanted = wantedAlgs(listed, named);
  const rank = ({ status, alg }: SigningKey) =>
    status === 'current' && wanted.includes(alg) ? wanted.indexOf(alg) : wanted.length;
  const keys = listed.toSorted((a, b) => rank(a) - rank(b));
  let algs: SigningAlgs | undefined;
  return {
    keys,
    // Computed at the first use, because a list without a current key must be taken over too.
    algs() {
      algs ??= algsOf(keys, wanted);
      return algs;
    },
    fingerprint: fingerprint(listed),
  };
}

// Between a change of SIGNING_ALG and the next rotation the algorithms before the change go on signing.
function algsOf(keys: SigningKey[], wanted: readonly SigningAlg[]): SigningAlgs {
  const signable = keys.filter(({ status }) => status === 'current').map(({ alg }) => alg);
  const [first = signable[0], ...others] = signable.filter((alg) => wanted.includes(alg));
  if (!first) throw new Error('there is no signing key');
  return { offered: [first, ...others], signable };
}

function currentOf(keys: SigningKey[], alg: SigningAlg): SigningKey {
  const key = keys.find((one) => one.status === 'current' && one.alg === alg);
  if (!key) throw new Error(`there is no current signing key for ${alg}`);
  return key;
}
