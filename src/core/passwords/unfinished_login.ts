// A login that is not complete after the right password, as a value that its app or page sends back with what is missing. It is sealed and
// stored nowhere; a new password or the end of all sessions makes it void.
import { type Keyring, SealError, seal, unseal } from '../../lib/crypto.ts';

/** Seconds for which it can be completed. */
export const unfinishedLoginTtl = 600;

interface UnfinishedLogin {
  user_id: string;
  /** See `proofOf` in credentials.ts. */
  proof: string;
}

const sealing = 'unfinished-login';

/** Seals a login; `context` is the client or the page for which it is good. `now` in milliseconds. */
export function sealLogin(
  keyring: Keyring,
  { user_id, proof }: UnfinishedLogin,
  context: string,
  now: number,
): string {
  const exp = now + unfinishedLoginTtl * 1000;
  return seal(keyring, sealing, JSON.stringify({ user_id, proof, exp }), context);
}

/** The login, or null for a value that is not one of this context or has expired. */
export function openLogin(
  keyring: Keyring,
  sealed: string,
  context: string,
  now: number,
): UnfinishedLogin | null {
  if (sealed.length > 1_000) return null;
  try {
    const { user_id, proof, exp } = JSON.parse(unseal(keyring, sealing, sealed, context));
    return exp > now ? { user_id, proof } : null;
  } catch (error) {
    if (error instanceof SealError) return null;
    throw error;
  }
}
