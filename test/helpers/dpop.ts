// DPoP keys and proofs (RFC 9449), built by hand because a client library would not build wrong ones.
import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT } from 'jose';

export type Key = GenerateKeyPairResult;

export async function makeKey(): Promise<Key> {
  return await generateKeyPair('ES256', { extractable: true });
}

interface ProofOptions {
  /** The access token that the proof accompanies. */
  accessToken?: string;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
}

/** A proof by `key` for one request; `claims` and `header` override its members. */
export async function proofFor(
  key: Key,
  method: string,
  url: string,
  { accessToken, claims, header }: ProofOptions = {},
): Promise<string> {
  const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
  const iat = Math.floor(Date.now() / 1000);
  return await new SignJWT({
    htm: method,
    htu: url,
    jti: randomUUID(),
    iat,
    ...(ath ? { ath } : {}),
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(key.publicKey), ...header })
    .sign(key.privateKey);
}
