// The engine uses the machine's clock; everything else uses the server's clock (core/store/clock.ts). Times are converted where a record or
// a token passes from one to the other, so that nodes whose clocks differ agree on both.
import type { AdapterPayload } from 'oidc-provider';
import type { Clock } from '../../core/store/clock.ts';

/** Seconds by which the engine accepts a JWT beyond its time; client_jwts.ts then decides by the right clock. */
export const engineTolerance = 300;

/** Now, in the seconds of a JWT. */
export function nowInSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** Converts a time of the engine, in seconds, to the server's clock. */
export function fromEngine(clock: Clock, seconds: number): number {
  return seconds + ahead(clock);
}

/** Converts a time of the server's clock, in seconds, to the engine's clock. */
export function toEngine(clock: Clock, seconds: number): number {
  return seconds - ahead(clock);
}

function ahead(clock: Clock): number {
  return Math.round(clock.offset() / 1000);
}

// The members of a record that the engine compares with its clock. `authTime` is not among them: it is only passed on.
const times = ['iat', 'exp', 'loginTs'];

/** A record of the engine with the times that are stored. */
export function storedRecord(clock: Clock, record: AdapterPayload): AdapterPayload {
  const shifted = shift(record, (seconds) => fromEngine(clock, seconds));
  const { request } = record;
  // A pushed request without a signature is a JWT that the engine has made of the parameters.
  if (typeof request !== 'string' || !request.endsWith('.')) return shifted;
  return { ...shifted, request: shiftJwt(request, (seconds) => fromEngine(clock, seconds)) };
}

/** A stored record with the times of the engine's clock. */
export function engineRecord(clock: Clock, record: AdapterPayload): AdapterPayload {
  const shifted = shift(record, (seconds) => toEngine(clock, seconds));
  // The engine verified the signature of a pushed request when it arrived; now it reads only the times.
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

/** Sets the times of a JWT access token by the server's clock; its lifetime stays what the engine set. */
export function correctTimes(clock: Clock, { payload }: { payload: Record<string, unknown> }): void {
  const lifetime = Number(payload.exp) - Number(payload.iat);
  payload.iat = nowInSeconds(clock);
  payload.exp = nowInSeconds(clock) + lifetime;
}
