// The keys, proofs and certificates of the clients of the differential tests.
import { generateKeyPairSync, hash } from 'node:crypto';
import { type JWK, SignJWT } from 'jose';
import { newId } from '../../src/lib/ids.ts';
import { one, thumbprintOf, two } from './certificates.ts';
import type { RefreshCase } from './refresh_cases.ts';
import { issuer } from './twins.ts';

const keys = {
  own: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  other: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};

const jwkOf = (name: keyof typeof keys) => keys[name].publicKey.export({ format: 'jwk' }) as JWK;

// The members that the thumbprint is made of, in their order (RFC 7638).
const canonical = ({ crv, kty, x, y }: JWK) => ({ crv, kty, x, y });

/** The thumbprint of the client's own key. */
export const ownThumbprint = hash('sha256', JSON.stringify(canonical(jwkOf('own'))), 'base64url');

/** The proof of a request in the header `DPoP`. `first` is a proof that the case has used before. */
export async function dpopHeader(
  prove: RefreshCase['prove'],
  first: string | undefined,
): Promise<Record<string, string>> {
  if (prove === 'no') return {};
  if (prove === 'same proof' && first !== undefined) return { DPoP: first };
  const name = prove === 'other key' ? 'other' : 'own';
  const iat = Math.floor(Date.now() / 1000) - (prove === 'old proof' ? 600 : 0);
  const htu = `${issuer}/${prove === 'proof for another URL' ? 'introspect' : 'token'}`;
  const proof = await new SignJWT({ htm: 'POST', htu, jti: newId(), iat })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: jwkOf(name) })
    .sign(keys[name].privateKey);
  return { DPoP: proof };
}

/** The client's own certificate. */
export const ownCertificate = { thumbprint: thumbprintOf(one) };

/** The header in which the proxy forwards a certificate. */
export function certificateHeader(certificate: RefreshCase['certificate']): Record<string, string> {
  return certificate === 'no' ? {} : { 'X-Client-Certificate': `:${certificate === 'own' ? one : two}:` };
}
