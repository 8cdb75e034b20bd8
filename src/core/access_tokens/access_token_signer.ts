// Signs access tokens (RFC 9068), and makes the values of opaque ones.
import { takeRandom } from '../../lib/random.ts';
import type { AccessTokenTyp } from '../clients/resource_servers.ts';
import { signerOf } from '../keys/signers.ts';
import type { SigningKey } from '../keys/signing_keys.ts';

/** Signs an access token with these claims, `iat`, `exp` and a new `jti`; `now` and `ttl` in seconds, `typ` of its header. */
export async function signAccessToken(
  key: SigningKey,
  claims: Record<string, unknown>,
  { now, ttl, typ = 'at+jwt' }: { now: number; ttl: number; typ?: AccessTokenTyp },
): Promise<string> {
  return await signerOf(key, typ)({ ...claims, jti: newTokenId(), iat: now, exp: now + ttl });
}

/** 256 random bits, base64url: a `jti`, or an opaque token. */
export function newTokenId(): string {
  return takeRandom(32).toString('base64url');
}
