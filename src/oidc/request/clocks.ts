// The engine tells the time by the machine's clock; everything else goes by the clock of the services. Times change over
// where a record or a token passes between the two, so that nodes whose clocks differ agree on both.
import type { AdapterPayload } from 'oidc-provider';
import type { Clock } from '../../core/store/clock.ts';

/** Seconds for which the engine takes a JWT beyond its time; then {@link requireInTime} decides by the right clock. */
export const engineTolerance = 300;

/** Now, in the seconds of a JWT. */
export function nowInSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** A time of the engine's, in seconds, as it is by the clock of the services. */
export function fromEngine(clock: Clock, seconds: number): number {
  return seconds + ahead(clock);
}

/** A time, in seconds, as the engine would have written it. */
export function toEngine(clock: Clock, seconds: number): number {
  return seconds - ahead(clock);
}

function ahead(clock: Clock): number {
  return Math.round(clock.offset() / 1000);
}

// The members of a record that the engine compares with its clock. `authTime` is none of them: it is only handed on.
const times = ['iat', 'exp', 'loginTs'];

/** What is stored of a record that the engine has made. */
export function storedRecord(clock: Clock, record: AdapterPayload): AdapterPayload {
  const shifted = shift(record, (seconds) => fromEngine(clock, seconds));
  const { request } = record;
  // A pushed request without a signature is a JWT that the engine has made of the parameters.
  if (typeof request !== 'string' || !request.endsWith('.')) return shifted;
  return { ...shifted, request: shiftJwt(request, (seconds) => fromEngine(clock, seconds)) };
}

/** What the engine gets of a stored record. */
export function engineRecord(clock: Clock, record: AdapterPayload): AdapterPayload {
  const shifted = shift(record, (seconds) => toEngine(clock, seconds));
  // The engine verified the signature of a pushed request when it came, and looks at its times alone now.
  if (typeof record.request !== 'string') return shifted;
  return { ...shifted, request: shiftJwt(record.request, (seconds) => toEngine(clock, seconds)) };
}

function shift<T extends object>(record: T, by: (seconds: number) => number, names = times): T {
  const known = Object.entries(record).filter(([name, value]) => names.includes(name) && isTime(value));
  return { ...record, ...Object.fromEntries(known.map(([name, value]) => [name, by(value as number)])) };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function shiftJwt(jwt: string, by: (seconds: number) => number): string {
  const [header, payload = '', signature] = jwt.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const shifted = shift(claims, by, ['iat', 'nbf', 'exp']);
  return [header, Buffer.from(JSON.stringify(shifted)).toString('base64url'), signature].join('.');
}

/** Gives a JWT access token the right times instead of the engine's; it lives as long as the engine meant it to. */
export function correctTimes(clock: Clock, { payload }: { payload: Record<string, unknown> }): void {
  const lifetime = Number(payload.exp) - Number(payload.iat);
  payload.iat = nowInSeconds(clock);
  payload.exp = nowInSeconds(clock) + lifetime;
}

/** Whether a JWT that a client has made (RFC 7519, 4.1) is within its time. */
export function isInTime(clock: Clock, claims: { exp?: unknown; nbf?: unknown; iat?: unknown }): boolean {
  const now = nowInSeconds(clock);
  const { exp, nbf, iat } = claims;
  if (typeof exp === 'number' && now >= exp) return false;
  if (typeof nbf === 'number' && nbf > now) return false;
  return typeof exp === 'number' || typeof iat !== 'number' || iat <= now;
}
