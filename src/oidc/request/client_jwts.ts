// The rules for JWTs that clients make, beyond what the engine checks: the assertions with which they authenticate (RFC 7523) and
// request objects (RFC 9101). The engine has verified the signature of an assertion before, so that the client may know what is wrong.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { fapi2Algs, isFapi2 } from '../../core/clients/security_profile.ts';
import type { Clock } from '../../core/store/clock.ts';
import { nowInSeconds } from './clocks.ts';
import { clientRow } from './context.ts';

type Claims = Readonly<Record<string, unknown>>;

interface ClientJwt {
  claims: Claims;
  alg: unknown;
  client: object;
}

/**
 * Seconds by which the clock of a client may be ahead of ours. FAPI 2.0 (5.3.2.1) demands at least 10 and at most 60; more than a
 * clock that follows a time server ever needs is only of use to a thief.
 */
const leeway = 30;

/** The longest life of a request object of the profile (FAPI 2.0 Message Signing, 5.3.1), seconds. */
const longestRequest = 3_600;

/** Refuses an assertion that is not in its time, or that another server could present here, with `invalid_client` and the reason. */
export function requireGoodAssertion(clock: Clock, ctx: KoaContextWithOIDC, jwt: ClientJwt): void {
  const problem =
    timeProblem(nowInSeconds(clock), jwt.claims) ??
    audienceProblem(jwt.claims) ??
    (isFapi2(clientRow(jwt.client).metadata) ? profileProblem(ctx, jwt) : null);
  if (problem === null) return;
  const refusal = new errors.InvalidClientAuth(problem);
  refusal.error_description = `The assertion ${problem}.`;
  throw refusal;
}

/** Refuses a request object that is not in its time, and one that the client's profile does not allow. */
export function requireGoodRequestObject(clock: Clock, { claims, alg, client }: ClientJwt): void {
  const problem =
    timeProblem(nowInSeconds(clock), claims) ??
    (isFapi2(clientRow(client).metadata) ? (algProblem(alg) ?? lifetimeProblem(claims)) : null);
  if (problem !== null) throw new errors.InvalidRequestObject(`The request object ${problem}.`);
}

// What is wrong, as the predicate of a sentence; null when nothing is.
type Problem = string | null;

function timeProblem(now: number, { exp, nbf, iat }: Claims): Problem {
  if (typeof exp === 'number' && now >= exp) return 'has expired';
  if (typeof nbf === 'number' && nbf > now + leeway) return aheadBy('nbf', nbf - now);
  if (typeof iat === 'number' && iat > now + leeway) return aheadBy('iat', iat - now);
  return null;
}

function aheadBy(claim: string, seconds: number): Problem {
  return `is not valid yet: its ${claim} is ${Math.ceil(seconds)} seconds ahead of the clock of this server, which allows ${leeway}`;
}

// A second audience could present the assertion here before it expires.
function audienceProblem({ aud }: Claims): Problem {
  return Array.isArray(aud) && aud.length !== 1 ? 'has more than one audience' : null;
}

// FAPI 2.0 Security Profile, 5.3.2.1 and 5.4.1.
function profileProblem({ oidc }: KoaContextWithOIDC, { claims, alg }: ClientJwt): Problem {
  if (claims.aud !== oidc.issuer)
    return `must have the issuer ${oidc.issuer} as its only audience, as a string`;
  return algProblem(alg);
}

function algProblem(alg: unknown): Problem {
  return typeof alg === 'string' && fapi2Algs.includes(alg)
    ? null
    : 'must be signed with PS256, ES256 or EdDSA';
}

// FAPI 2.0 Message Signing, 5.3.1. One that has not expired has then begun within these minutes too; the engine has checked `aud`.
function lifetimeProblem({ exp, nbf }: Claims): Problem {
  if (typeof nbf !== 'number') return 'needs an nbf';
  if (typeof exp !== 'number') return 'needs an exp';
  if (exp <= nbf || exp - nbf > longestRequest) return 'must expire within 60 minutes after its nbf';
  return null;
}
