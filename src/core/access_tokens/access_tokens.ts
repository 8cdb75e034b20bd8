// Access tokens: the one function that says whether one is good, and the revocation of a single one.
import { digest } from '../../lib/crypto.ts';
import { parseId } from '../../lib/ids.ts';
import { createVerifier } from '../../lib/jws.ts';
import { createLru } from '../../lib/lru.ts';
import { findModel } from '../engine_records/engine_records.ts';
import type { SigningKey } from '../keys/signing_keys.ts';
import { isLiveSql } from '../sessions/live_session.ts';
import { type Db, rows } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/users.ts';

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

/** Makes one access token inactive before its time; kept until it would have expired anyway. */
export async function revokeAccessToken(
  db: Db,
  claims: Pick<AccessTokenClaims, 'jti' | 'exp'>,
): Promise<void> {
  await db('revoked_tokens')
    .insert({ jti: claims.jti, expires_at: new Date(claims.exp * 1000) })
    .onConflict('jti')
    .ignore();
}

/** The live check alone, for claims whose signature or record has been checked. One SELECT. */
export async function isLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  return claims.sid === undefined
    ? await isClientTokenLive(db, claims)
    : await isSessionTokenLive(db, claims);
}

async function isSessionTokenLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  const sid = parseId(claims.sid);
  if (!sid) return false;
  return (await findSessionToken(db, { ...valuesOf(claims), sid })).length > 0;
}

// SQL that is true for a client (alias `c`) that is still what it was when it got its token.
const isSameClientSql =
  'c.token_version between :client_from and :client_to and c.blocked_at is null and c.deleted_at is null';

/** SQL that finds something when the token of {@link valuesOf} and `:sid` lives with its session. */
export function liveSessionTokenSql(db: Db): string {
  return `select 1 from sessions s join users u on u.id = s.user_id
    where s.id = :sid and s.client_id = :client_id and ${isLiveSql(db, 's.', 'u.')}
      and ${isActiveSql('u.')} and u.token_version <= :token_version
      and not exists (select 1 from revoked_tokens r where r.jti = :jti)
      and exists (select 1 from clients c where c.client_id = s.client_id and ${isSameClientSql})`;
}

const findSessionToken = statement('session_token_lives', liveSessionTokenSql);

/** The values of {@link liveSessionTokenSql} that are no ids of ours to check. */
export function valuesOf({ client_id, token_version, client_version, jti, iat }: AccessTokenClaims) {
  // A token that names no version of its client was issued by an earlier version of this server: its second has to tell, and
  // during an upgrade a client may be made and get such a token in the same one.
  const client_from = client_version ?? 0;
  const client_to = client_version ?? Math.floor(iat) * 1000 + 999;
  return { client_id, token_version: token_version ?? 0, jti, client_from, client_to };
}

// A token of client_credentials is its client's: it dies with the client, and another one of the same name is not it.
// Seconds by which the clocks of a node and of the database may differ.
const skew = 60;

async function isClientTokenLive(db: Db, claims: AccessTokenClaims): Promise<boolean> {
  const live = await rows(
    db,
    `select 1 from clients c where c.client_id = :client_id and c.created_at <= :issued and ${isSameClientSql}
       and not exists (select 1 from revoked_tokens r where r.jti = :jti)`,
    { ...valuesOf(claims), issued: new Date((claims.iat + skew) * 1000) },
  );
  return live.length > 0;
}

async function findOpaque(db: Db, issuer: string, token: string): Promise<AccessTokenClaims | null> {
  const stored =
    (await findModel(db, 'AccessToken', token)) ?? (await findModel(db, 'ClientCredentials', token));
  if (!stored || stored.is_expired) return null;
  return opaqueClaims(stored.payload as unknown as OpaqueRecord, issuer);
}

/** What the engine keeps of an opaque access token, in its own words. */
interface OpaqueRecord {
  jti: string;
  clientId: string;
  accountId?: string;
  aud?: string;
  exp: number;
  iat: number;
  scope?: string;
  sid?: string;
  jkt?: string;
  'x5t#S256'?: string;
  extra?: Partial<AccessTokenClaims>;
}

function opaqueClaims(record: OpaqueRecord, iss: string): AccessTokenClaims {
  const { jti, clientId, accountId, aud, exp, iat, scope, sid, jkt, extra } = record;
  const x5t = record['x5t#S256'];
  const cnf = { ...(jkt ? { jkt } : {}), ...(x5t ? { 'x5t#S256': x5t } : {}) };
  return {
    ...extra,
    ...{ iss, jti, client_id: clientId, sub: accountId ?? clientId, exp, iat },
    ...(aud === undefined ? {} : { aud }),
    ...(scope === undefined ? {} : { scope }),
    ...(sid === undefined ? {} : { sid }),
    ...(jkt || x5t ? { cnf } : {}),
  };
}

// Ours are good from the moment on in which they are issued, and never say since when (`nbf`).
function hasOurShape(claims: object): claims is AccessTokenClaims {
  const { client_id, jti, aud, sub, exp, iat, nbf } = claims as Partial<AccessTokenClaims> & {
    nbf?: unknown;
  };
  const hasTimes = typeof exp === 'number' && typeof iat === 'number' && nbf === undefined;
  return hasTimes && [client_id, jti, aud, sub].every((one) => typeof one === 'string');
}
