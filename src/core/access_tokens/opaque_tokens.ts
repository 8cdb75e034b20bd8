// Opaque access tokens: the engine stores their claims as records, found by the digest of the token.
import { findRecord } from '../engine_records/engine_records.ts';
import type { Db } from '../store/db.ts';
import type { AccessTokenClaims } from './access_tokens.ts';

/** The claims of an opaque token that has not expired, or null. */
export async function findOpaque(db: Db, issuer: string, token: string): Promise<AccessTokenClaims | null> {
  const stored =
    (await findRecord(db, 'AccessToken', token)) ?? (await findRecord(db, 'ClientCredentials', token));
  if (!stored || stored.is_expired) return null;
  return opaqueClaims(stored.payload as unknown as OpaqueRecord, issuer);
}

/** The engine's record of an opaque access token, with the engine's member names. */
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
