// Which key signed an `id_token_hint`. A browser session outlives keys, so a hint may come back after its key was removed; it then
// counts as absent, as OpenID Connect allows (RP-Initiated Logout 1.0, 2: the hint is recommended, not required).
import type { KeyStore } from '../../core/keys/key_store.ts';
import type { SigningKey } from '../../core/keys/signing_keys.ts';
import { decodePart } from '../../lib/jws.ts';

/** The key that a hint names; `gone` for one that this server does not have (any more), null where it names none. */
export function keyOfHint(keys: Pick<KeyStore, 'list'>, hint: string): SigningKey | 'gone' | null {
  const { kid } = decodePart(hint.split('.')[0] ?? '') ?? {};
  if (typeof kid !== 'string') return null;
  return keys.list().find((key) => key.kid === kid) ?? 'gone';
}

/** Removes a hint whose key is gone from the parameters of a request. */
export function dropStaleHint(keys: Pick<KeyStore, 'list'>, params: Record<string, unknown>): void {
  const { id_token_hint: hint } = params;
  if (typeof hint === 'string' && keyOfHint(keys, hint) === 'gone') params.id_token_hint = undefined;
}
