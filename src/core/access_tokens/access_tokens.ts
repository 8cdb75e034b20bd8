// Verifies access tokens, JWT and opaque: the signature or the record first, then the live check (live_token.ts).
import { digest } from '../../lib/crypto.ts';
import { createVerifier, decodeClaims, type Verifier } from '../../lib/jws.ts';
import { createLru } from '../../lib/lru.ts';
import type { SigningKey } from '../keys/signing_keys.ts';
import type { Db } from '../store/db.ts';
import { isLive } from './live_token.ts';
import { findOpaque, opaqueClaims } from './opaque_tokens.ts';

/** The claims of an access token of ours, JWT or opaque. */
export interface AccessTokenClaims {
  iss: string;
  sub: string;
  aud?: string;
  exp: number;
  iat: number;
  jti: string;
  client_id: string;
  scope?: string;
  /** The id of the session; tokens of `client_credentials` have none. */
  sid?: string;
  auth_time?: number;
  roles?: string[];
  permissions?: string[];
  tid?: string;
  token_version?: number;
  /** The client's `token_version` when the token was issued; tokens of earlier versions of this server have none. */
  client_version?: number;
  /** The server's own scopes of a token for another API whose refresh asked for less than its session holds. */
  userinfo_scope?: string;
  /** The key (RFC 9449) or certificate (RFC 8705) to which the token is bound; its bearer must prove possession of it. */
  cnf?: { jkt?: string; 'x5t#S256'?: string };
}

export interface AccessTokenVerifier {
  /**
   * The claims of an active token, else null. Signature or record, issuer, type and expiry must be valid, the token not revoked,
   * its session live, its user active with no later `token_version`, and its client the same one with no right lost since. A JWT
   * itself is checked without the database; one SELECT checks the rest. The caller checks proof of possession (`cnf`) and audience.
   */
  verify: (token: string) => Promise<AccessTokenClaims | null>;
  /** The claims of a JWT that we signed and that has not expired, even if its session has ended. Makes no query. */
  read: (token: string) => AccessTokenClaims | null;
  /** The client that a JWT of ours was issued to, even if the token has expired or its session has ended. Makes no query. */
  issuedTo: (token: string) => string | null;
  /**
   * Notes a JWT that this process has just signed with `key`: its signature is not verified again while the key is in use and the
   * token is among the last {@link maxVerified}. Everything else about it is checked as for any other token.
   */
  noteSigned: (token: string, key: SigningKey) => void;
}

/** How many verified tokens are cached by their digest, about 10 MiB; and of how many signed ones the digest is noted, 1 MiB. */
const maxVerified = 10_000;

/** Makes the verifier for tokens of `issuer`. `keys` returns the current signing keys, `now` the time in milliseconds. */
export function createAccessTokenVerifier(
  db: Db,
  issuer: string,
  keys: () => SigningKey[],
  now: () => number,
): AccessTokenVerifier {
  const verifierOf = memoizeLast(createTypedVerifier);
  // A valid signature stays valid as long as its key is in use. Verifying it is two thirds of the work of an introspection.
  const verified = createLru<AccessTokenClaims>(maxVerified);
  // A cache of their own: most issued tokens are never introspected, and must not displace the tokens that are.
  const signed = createLru<true>(maxVerified);
  let knownWith = keys();
  const forgetOldKeys = () => {
    if (knownWith === keys()) return;
    verified.clear();
    signed.clear();
    knownWith = keys();
  };
  const read = (token: string) => {
    forgetOldKeys();
    const id = digest(token);
    const cached = verified.get(id);
    if (cached) return cached.exp > now() / 1000 ? cached : null;
    const claims = readAt(token, now(), signed.get(id));
    if (claims) verified.set(id, Object.freeze(claims));
    return claims;
  };
  const readAt = (token: string, at: number, isSigned = false) => {
    const claims = isSigned ? decodeClaims(token) : verifierOf(keys())(token);
    const isOurs = claims !== null && claims.iss === issuer && hasOurShape(claims) && claims.exp > at / 1000;
    return isOurs ? claims : null;
  };
  return {
    read,
    issuedTo: (token) => readAt(token, 0)?.client_id ?? null,
    noteSigned(token, key) {
      forgetOldKeys();
      // The keys may have changed while the token was signed.
      if (keys().includes(key)) signed.set(digest(token), true);
    },
    async verify(token) {
      if (isJwt(token)) {
        const claims = read(token);
        return claims && (await isLive(db, claims)) ? claims : null;
      }
      const { record } = await findOpaque(db, token);
      return record && opaqueClaims(record, issuer, token);
    },
  };
}

// A resource server may have JWTs whose type is `JWT`, which says nothing (RFC 7519, 5.1) and which ID tokens could have too. Such a
// token is an access token by its claims: each of ours has `client_version`, and no other JWT of ours has it or `client_id`.
function createTypedVerifier(keys: SigningKey[]): Verifier {
  const [typed, untyped] = [createVerifier(keys, 'at+jwt'), createVerifier(keys, 'jwt')];
  return (token) => {
    const known = typed(token);
    if (known) return known;
    const claims = untyped(token);
    return claims && isAccessTokenByClaims(claims) ? claims : null;
  };
}

/** Claims of ID tokens, logout tokens and signed answers, which no access token has. */
const claimsOfOthers = ['nonce', 'at_hash', 'events', 'token_introspection'];

function isAccessTokenByClaims(claims: Record<string, unknown>): boolean {
  return (
    typeof claims.client_version === 'number' && !claimsOfOthers.some((name) => Object.hasOwn(claims, name))
  );
}

// Makes the key set once for each list of keys. A changed list is always a new array.
function memoizeLast<In, Out>(make: (input: In) => Out): (input: In) => Out {
  let last: { input: In; output: Out } | undefined;
  return (input) => {
    if (last?.input !== input) last = { input, output: make(input) };
    return last.output;
  };
}

/** Whether `token` has the form of a signed JWT, which no opaque token has. */
export function isJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);
}

// Our tokens are valid from the moment they are issued, so they never contain `nbf`.
function hasOurShape(claims: object): claims is AccessTokenClaims {
  const { client_id, jti, aud, sub, exp, iat, nbf } = claims as Partial<AccessTokenClaims> & {
    nbf?: unknown;
  };
  const hasTimes = typeof exp === 'number' && typeof iat === 'number' && nbf === undefined;
  return hasTimes && [client_id, jti, aud, sub].every((one) => typeof one === 'string');
}
