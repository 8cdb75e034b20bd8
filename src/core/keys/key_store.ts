// The signing keys in memory: read at the start and again after any node rotated them; listeners are told of each change.
import type { Keyring } from '../../lib/crypto.ts';
import type { Db } from '../store/db.ts';
import { type NodeNotices, notifyNodes } from '../store/node_notices.ts';
import {
  type KeyRotation,
  type KeyRotationOutcome,
  listSigningKeys,
  loadSigningKeys,
  rotateSigningKeys,
  type SigningAlg,
  type SigningKey,
  unsealSigningKeys,
} from './signing_keys.ts';

export interface KeyStore {
  /** All keys, the current one first. A new array after each change. */
  list: () => SigningKey[];
  /** The key that signs. */
  current: () => SigningKey;
  onChange: (listener: () => void) => void;
  /** Rotates for all nodes: this node has the new keys when it returns, the others within seconds. */
  rotate: (rotation: KeyRotation) => Promise<KeyRotationOutcome>;
  /** Takes over the keys of the database if they have changed. */
  refresh: () => Promise<void>;
}

/** Opens the keys and follows their changes. */
export async function openKeyStore(
  db: Db,
  keyring: Keyring,
  alg: SigningAlg,
  notices: NodeNotices,
): Promise<KeyStore> {
  let keys = await loadSigningKeys(db, keyring, alg);
  const listeners: (() => void)[] = [];
  const reload = async () => {
    const stored = await listSigningKeys(db);
    if (fingerprint(stored) === fingerprint(keys)) return;
    keys = unsealSigningKeys(stored, keyring);
    for (const listener of listeners) listener();
  };
  // One after the other, because a slow read would overwrite the keys of a later one.
  let reloading = Promise.resolve();
  const refresh = () => {
    reloading = reloading.then(reload, reload);
    return reloading;
  };
  notices.watch('signing_keys', refresh);
  return {
    list: () => keys,
    current() {
      const [key] = keys;
      if (!key) throw new Error('there is no signing key');
      return key;
    },
    onChange: (listener) => listeners.push(listener),
    async rotate(rotation) {
      const result = await rotateSigningKeys(db, keyring, rotation);
      if (result.outcome === 'rotated') await notifyNodes(db, 'signing_keys');
      await refresh();
      return result;
    },
    refresh,
  };
}

function fingerprint(keys: { kid: string; status: string }[]): string {
  return keys.map((key) => `${key.kid} ${key.status}`).join();
}
