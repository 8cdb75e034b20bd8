// Access tokens: the one function that says whether one is good, and the revocation of a single one.
import { digest } from '../../lib/crypto.ts';
import { createVerifier } from '../../lib/jws.ts';
import { createLru } from '../../lib/lru.ts';
import type { SigningKey } from '../keys/signing_keys.ts';
import type { Db } from '../store/db.ts';
import { isLive } from './live_token.ts';
import { findOpaque } from './opaque_tokens.ts';

/** The claims of an access token of ours, JWT or opaque, that has proved good. */
export interface AccessTokenClaims {
  iss: string;
  sub: string;
  aud?: string;
  exp: number;
  iat: number;
  jti: string;
  client_id: string;
  scope?: string;
  /** The session; tokens of `client_credentials` have none. */
  sid?: string;
  auth_time?: number;
  roles?: string[];
  permissions?: string[];
  tid?: string;
  token_version?: number;
  /** The `token_version` of the client when it asked; tokens of earlier versions of this server have none. */
  client_version?: number;
  /** The key to which a DPoP-bound token is bound (RFC 9449): good only with a proof of it. */
  cnf?: { jkt?: string; 'x5t#S256'?: string };
}

export interface AccessTokenVerifier {
  /**
   * The claims of a good token, else null: signature, issuer, type, expiry, not revoked, its session live, its user
   * active and not moved on to a later `token_version`, its client the same and not of fewer rights since. What the token says is checked without the database; all the
   * rest is one SELECT. Proof of possession (`cnf`) and audience are the caller's to check.
   */
  verify: (token: string) => Promise<AccessTokenClaims | null>;
  /** The claims of a JWT that we signed and that has not expired, whether or not its session lives. No database. */
  read: (token: string) => Promise<AccessTokenClaims | null>;
  /** The client that a JWT of ours was issued to, also when it has expired or its session is over. No database. */
  issuedTo: (token: string) => Promise<string | null>;
}

/** How many tokens whose signature was good are remembered, by their digest; some 10 MiB. */
const remembered = 10_000;

/** Makes the verifier for tokens of `issuer`, signed by one of the `keys` of the moment, at the time that `now` tells. */
export function createAccessTokenVerifier(
  db: Db,
  issuer: string,
  keys: () => SigningKey[],
  now: () => number,
): AccessTokenVerifier {
  const verifierOf = rememberLast((list: SigningKey[]) => createVerifier(list, 'at+jwt'));
  // A signature that was good stays good as long as its key; checking it is two thirds of an introspection's work.
  const seen = createLru<AccessTokenClaims>(remembered);
  let seenUnder = keys();
  const read = async (token: string) => {
    if (seenUnder !== keys()) seen.clear();
    seenUnder = keys();
    const id = digest(token);
    const known = seen.get(id);
    if (known) return known.exp > now() / 1000 ? known : null;
    const claims = readAt(token, now());
    if (claims) seen.set(id, Object.freeze(claims));
    return claims;
  };
  const readAt = (token: string, at: number) => {
    const claims = verifierOf(keys())(token);
    const isOurs = claims !== null && claims.iss === issuer && hasOurShape(claims) && claims.exp > at / 1000;
    return isOurs ? claims : null;
  };
  return {
    read,
    issuedTo: async (token) => readAt(token, 0)?.client_id ?? null,
    async verify(token) {
      const claims = isJwt(token) ? await read(token) : await findOpaque(db, issuer, token);
      return claims && (await isLive(db, claims)) ? claims : null;
    },
  };
}

// The key set is made once for each list of keys, and the list is another array whenever it changed.
function rememberLast<In, Out>(make: (input: In) => Out): (input: In) => Out {
  let last: { input: In; output: Out } | undefined;
  return (input) => {
    if (last?.input !== input) last = { input, output: make(input) };
    return last.output;
  };
}

/** True when `token` has the form of a signed JWT, which no opaque token has. */
export function isJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);
}

// Ours are good from the moment on in which they are issued, and never say since when (`nbf`).
function hasOurShape(claims: object): claims is AccessTokenClaims {
  const { client_id, jti, aud, sub, exp, iat, nbf } = claims as Partial<AccessTokenClaims> & {
    nbf?: unknown;
  };
  const hasTimes = typeof exp === 'number' && typeof iat === 'number' && nbf === undefined;
  return hasTimes && [client_id, jti, aud, sub].every((one) => typeof one === 'string');
}
