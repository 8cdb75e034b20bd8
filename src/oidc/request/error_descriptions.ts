// The descriptions of the engine's refusals. The engine's own text is the same for every invalid_grant, and the cause is in
// the detail of its error. The description names as much of the cause as the client may know.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { describeReason } from '../../core/sessions/refusals.ts';
import { quote } from '../../lib/quote.ts';
import { missing } from '../../token/binding.ts';

// An unknown code and a code of another client get the same answer.
const unknown: Record<string, string> = {
  authorization_code: 'The code is unknown, has expired, was used before, or belongs to another client.',
  'urn:ietf:params:oauth:grant-type:device_code':
    'The device code is unknown, was used before, or belongs to another client.',
};

const saysUnknown =
  /^((authorization code|device code) not found|client mismatch|authorization code is expired)$/;

const used = 'The code was used before; the session that it opened has ended.';
const over = 'The session has ended.';

// The details, the engine's and our own, whose description the holder of a known grant gets.
const details: Record<string, string> = {
  'mutual TLS client certificate not provided': missing.certificate,
  'DPoP proof JWT not provided': missing.proof,
  'missing DPoP proof JWT': missing.proof,
  'DPoP proof JWT Replay detected': missing.fresh,
  'DPoP proof key thumbprint does not match dpop_jkt':
    'The code is bound to another key than that of the DPoP proof.',
  'authorization code redirect_uri mismatch':
    'The redirect_uri is not the one that the authorization request named.',
  'code_verifier must be provided': 'The code was asked for with PKCE, and code_verifier is missing.',
  'code_verifier does not match code_challenge':
    'The code_verifier does not match the code_challenge of the authorization request.',
  'the code has been used before': used,
  'authorization code already consumed': used,
  'device code already consumed': used,
  'the session has ended': over,
  'grant not found': over,
};

/** The description that replaces the engine's own; undefined keeps that. */
export function describeRefusal(ctx: KoaContextWithOIDC, err: Error): string | undefined {
  if (err instanceof errors.InvalidTarget) return describeTarget(ctx, err);
  if (!(err instanceof errors.InvalidGrant)) return undefined;
  const detail = String((err as { error_detail?: unknown }).error_detail);
  const reason = describeReason(ctx.state.reason);
  if (reason) return reason;
  if (Object.hasOwn(details, detail)) return details[detail];
  return saysUnknown.test(detail) ? unknown[String(ctx.oidc?.params?.grant_type)] : undefined;
}

const bareTarget = 'resource indicator is missing, or unknown';

function describeTarget(ctx: KoaContextWithOIDC, err: Error): string | undefined {
  const { error_description: description } = err as { error_description?: string };
  const asked = [ctx.oidc?.params?.resource ?? []].flat();
  if (description !== bareTarget || asked.length === 0) return undefined;
  return `The resource ${asked.map(quote).join(' or ')} was not granted to this session.`;
}
