// Access tokens signed with ES256 by node:crypto, for the peers that do not make their own.
import { generateKeyPairSync, sign } from 'node:crypto';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const head = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' });

/** The answer of `/jwks`. */
export const jwks = {
  keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' }],
};

/** Signs an access token that lives for 15 minutes. */
export function signToken(claims: {
  iss: string;
  sub: string;
  client_id: string;
  jti: string;
  sid?: string;
}): string {
  const now = Math.floor(Date.now() / 1000);
  const payload = encode({ ...claims, aud: `${claims.iss}/api`, scope: 'account', iat: now, exp: now + 900 });
  const signature = sign('sha256', Buffer.from(`${head}.${payload}`), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  return `${head}.${payload}.${signature.toString('base64url')}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
