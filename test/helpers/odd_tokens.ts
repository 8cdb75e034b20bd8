// Access tokens of every kind to introspect: valid ones, wrong ones of this server, and forged ones.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { type CryptoKey, importJWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { signAccessToken } from '../../src/core/access_tokens/access_token_signer.ts';
import type { Deps } from '../../src/core/deps.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { newId } from '../../src/lib/ids.ts';
import { keyring } from './builders.ts';
import type { Json } from './client.ts';
import type { Kind } from './introspection_cases.ts';
import { isStoredKind, makeStoredToken } from './odd_opaque_tokens.ts';
import { issuer, type Twin } from './twins.ts';

const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

/** The claims of an access token of this session, without `jti` and times. */
export function claimsOf({ user, session }: Twin, aud: string): Json {
  return {
    auth_time: Math.floor(session.created_at.getTime() / 1000),
    roles: user.roles,
    permissions: user.permissions,
    token_version: user.token_version,
    iss: issuer,
    sub: user.id,
    aud,
    client_id: session.client_id,
    scope: 'account',
    sid: session.id,
  };
}

/** A token of a kind that needs no request to a server. */
export async function makeToken(
  deps: Deps,
  kind: Kind,
  twin: Twin,
  aud: string,
): Promise<string | string[] | undefined> {
  if (isStoredKind(kind)) return await makeStoredToken(deps, kind, twin);
  const claims = claimsOf(twin, aud);
  const now = Math.floor(Date.now() / 1000);
  const good = () => signAccessToken(deps.keys.ofAccessTokens(), claims, { now, ttl: 900 });
  const { sid: _sid, ...alone } = claims;
  const sign = (changed: Json, header?: Partial<JWTHeaderParameters>, key?: CryptoKey) =>
    signBy(deps, { ...claims, jti: newId(), iat: now, exp: now + 900, ...changed }, header, key);
  switch (kind) {
    case 'refresh':
      return mintRefreshToken(keyring, twin.session, twin.session.generation);
    case 'old refresh':
      return mintRefreshToken(keyring, twin.session, Math.max(0, twin.session.generation - 1));
    case 'foreign':
      return await sign({}, {}, foreign as unknown as CryptoKey);
    case 'unsigned':
      return `${encode({ alg: 'none', typ: 'at+jwt' })}.${(await good()).split('.')[1]}.`;
    case 'hmac':
      return forgeByHmac(deps, await good());
    case 'resigned':
      return withPayload(await good(), {
        ...claims,
        jti: newId(),
        iat: now,
        exp: now + 900,
        scope: 'account admin',
      });
    case 'other issuer':
      return await sign({ iss: 'https://elsewhere.example' });
    case 'other type':
      return await sign({}, { typ: 'JWT' });
    case 'expired':
      return await sign({ exp: now - 1 });
    case 'not yet':
      return await sign({ nbf: now + 600 });
    case 'no exp':
      return await sign({ exp: undefined });
    case 'no jti':
      return await sign({ jti: undefined });
    case 'no session':
      return await signBy(deps, { ...alone, jti: newId(), iat: now, exp: now + 900 });
    case 'no uuid':
      return await sign({ sid: "' or 1=1" });
    case 'other session':
      return await sign({ sid: newId() });
    case 'many audiences':
      return await sign({ aud: [aud, 'https://elsewhere.example'] });
    case 'bound':
      return await sign({ cnf: { jkt: 'A'.repeat(43) } });
    case 'certified':
      return await sign({ cnf: { 'x5t#S256': 'A'.repeat(43) } });
    case 'tampered':
      return (await good()).replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
    case 'signature':
      return mirrored(await good());
    case 'padded':
      return ` ${await good()}`;
    case 'garbage':
      return 'garbage';
    case 'empty':
      return '';
    case 'missing':
      return undefined;
    case 'twice':
      return [await good(), await good()];
    case 'nul':
      return `${await good()}\0`;
    default:
      return await good();
  }
}

async function signBy(
  { keys }: Deps,
  claims: Json,
  header: Partial<JWTHeaderParameters> = {},
  key?: CryptoKey,
): Promise<string> {
  const { kid, alg, private_jwk } = keys.ofAccessTokens();
  return await new SignJWT(claims)
    .setProtectedHeader({ alg, typ: 'at+jwt', kid, ...header })
    .sign(key ?? (await importJWK(private_jwk as never, alg)));
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function withPayload(token: string, claims: Json): string {
  const [header, , signature] = token.split('.');
  return `${header}.${encode(claims)}.${signature}`;
}

// The classic algorithm confusion: the public key as the secret of an HMAC.
function forgeByHmac({ keys }: Deps, token: string): string {
  const { kid, public_jwk } = keys.ofAccessTokens();
  const signed = `${encode({ alg: 'HS256', typ: 'at+jwt', kid })}.${token.split('.')[1]}`;
  return `${signed}.${createHmac('sha256', JSON.stringify(public_jwk)).update(signed).digest('base64url')}`;
}

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

// ECDSA is malleable: from a signature (r, s) anyone can compute (r, n − s).
function mirrored(token: string): string {
  const [header, payload, signature = ''] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  bytes.write((order - s).toString(16).padStart(64, '0'), 32, 'hex');
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}
