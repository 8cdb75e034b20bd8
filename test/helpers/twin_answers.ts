// The answers and rows of two apps in comparable form: without what may differ (ids, exact times, random values).

import assert from 'node:assert/strict';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import type { Deps } from '../../src/core/deps.ts';
import { decodeRefreshToken, verifyRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { listRotations } from '../../src/core/sessions/session_rotations.ts';
import type { Answer, Json } from './client.ts';
import { rowOf } from './rows.ts';
import type { Twin } from './twins.ts';

/** Names for a twin's own ids, so that answers about both twins can be compared. */
function namesOf({ user, session }: Twin): Map<unknown, string> {
  return new Map([
    [user.id, 'own user'],
    [user.username, 'own name'],
    [user.username_key, 'own name'],
    [session.id, 'own session'],
    [session.device_id ?? 'none', 'own device'],
  ]);
}

/** Seconds between the answers of both apps to one request, at most, on a busy machine. */
const slack = 120;

const isNow = (seconds: number) => Math.abs(seconds - Date.now() / 1000) < slack;

// Headers that Node sets or that are checked against the body.
const unlike = new Set(['date', 'connection', 'keep-alive', 'content-length', 'retry-after', 'x-request-id']);

/** An answer in a form that can be compared with the other twin's. */
export async function comparableAnswer(deps: Deps, answer: Answer, twin: Twin | null): Promise<object> {
  const { status, headers, text } = answer;
  assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/);
  if (headers['content-length'] !== undefined) {
    assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
  }
  const rest = Object.entries(headers).filter(([name]) => !unlike.has(name));
  const body = text.startsWith('{') ? JSON.parse(text) : await comparableSigned(deps, text);
  return {
    status,
    headers: Object.fromEntries(rest.sort(([a], [b]) => (a < b ? -1 : 1))),
    wait: waitOf(headers['retry-after']),
    length: headers['content-length'] !== undefined,
    order: typeof body === 'object' ? Object.keys(body) : null,
    body: typeof body === 'object' ? await comparableBody(deps, answer, body, twin) : body,
  };
}

function waitOf(value: string | undefined): unknown {
  return value === undefined ? null : /^[1-9]\d{0,3}$/.test(value) ? 'seconds' : value;
}

// A signed answer of introspection (RFC 9701).
async function comparableSigned(deps: Deps, text: string): Promise<unknown> {
  if (!text.startsWith('eyJ')) return text;
  const { payload, protectedHeader } = await jwtVerify(text, keySetOf(deps));
  assert.ok(isNow(payload.iat ?? 0), `signed at ${payload.iat}`);
  return { ...payload, iat: 'now', order: Object.keys(payload), protectedHeader };
}

function keySetOf({ keys }: Deps) {
  return createLocalJWKSet({ keys: keys.list().map((key) => key.public_jwk) });
}

async function comparableBody(deps: Deps, { headers }: Answer, body: Json, twin: Twin | null): Promise<Json> {
  const like: Json = { ...body };
  if ('request_id' in body) {
    assert.equal(body.request_id, headers['x-request-id']);
    like.request_id = 'own';
  }
  if (!twin) return like;
  for (const name of ['access_token', 'id_token']) {
    if (typeof body[name] === 'string') like[name] = await comparableToken(deps, body[name], body, twin);
  }
  if (typeof body.refresh_token === 'string') {
    like.refresh_token = comparableRefreshToken(deps, body.refresh_token, twin);
  }
  if (body.session_id === twin.session.id) like.session_id = 'own session';
  like.refresh_token_expires_in = roughly(body.refresh_token_expires_in, twin);
  return like;
}

// The twins were made at the same moment, so the remaining lifetimes differ by the time between the requests.
function roughly(value: unknown, { session }: Twin): unknown {
  if (typeof value !== 'number') return value;
  const absolute = (session.absolute_expires_at.getTime() - Date.now()) / 1000;
  const left = Math.min(session.idle_ttl, absolute);
  assert.ok(Number.isInteger(value) && value >= 0, `${value} is no count of seconds`);
  assert.ok(Math.abs(value - Math.max(0, left)) < slack, `${value} s instead of ${left} s`);
  return 'the remaining lifetime';
}

async function comparableToken(deps: Deps, token: string, body: Json, twin: Twin): Promise<unknown> {
  if (token.split('.').length !== 3) return `opaque, ${shape(token)}`;
  const header = decodeProtectedHeader(token);
  const claims = decodeJwt(token);
  const { iat = 0, exp = 0 } = claims;
  assert.ok(isNow(iat), `issued at ${iat}`);
  await jwtVerify(token, keySetOf(deps), { currentDate: new Date(iat * 1000) });
  const names = namesOf(twin);
  const like = Object.entries(claims).map(([name, value]) => [name, names.get(value) ?? value]);
  return {
    header,
    headerOrder: Object.keys(header),
    claims: {
      ...Object.fromEntries(like),
      iat: 'now',
      ...(typeof claims.client_version === 'number' ? { client_version: 'its client’s' } : {}),
      exp: lifetimeOf(exp - iat, body),
      ...('updated_at' in claims ? { updated_at: timeOfUser(claims.updated_at, twin) } : {}),
      ...(typeof claims.jti === 'string' ? { jti: shape(claims.jti) } : {}),
      ...('at_hash' in claims ? { at_hash: shape(String(claims.at_hash)) } : {}),
    },
  };
}

// The rows of both users may have been written in different seconds.
function timeOfUser(seconds: unknown, { user }: Twin): unknown {
  const isOwn = seconds === Math.floor(user.updated_at.getTime() / 1000);
  return isOwn || isNow(Number(seconds)) ? 'when the user was updated' : seconds;
}

// The engine reads the clock twice; a second may pass in between.
function lifetimeOf(seconds: number, { expires_in }: Json): unknown {
  return [0, 1].includes(seconds - Number(expires_in)) ? 'expires_in' : Math.round(seconds / 10) * 10;
}

function shape(value: string): string {
  return `${value.length} of base64url: ${/^[\w-]+$/.test(value)}`;
}

function comparableRefreshToken({ keyring }: Deps, value: string, { session }: Twin): unknown {
  const token = decodeRefreshToken(value);
  return token && token.session_id === session.id
    ? { generation: token.generation, good: verifyRefreshToken(keyring, token, session), key: token.key_id }
    : value;
}

/** The rows of a twin after a request: session, its rotations, user and events. */
export async function comparableRows(deps: Deps, twin: Twin, answers: Answer[]): Promise<object> {
  const { db, audit } = deps;
  await audit.flush();
  const { user, session } = twin;
  const events = await db('audit_events').where({ user_id: user.id });
  const rotations = await listRotations(db, session.id);
  const requests = answers.map(({ headers }, i) => [headers['x-request-id'], `request ${i}`] as const);
  const names = new Map([...namesOf(twin), ...requests]);
  return {
    user: comparableRow({ ...(await rowOf(db('users').where({ id: user.id }).first())) }, user, names),
    session: comparableRow(
      { ...(await rowOf(db('sessions').where({ id: session.id }).first())) },
      session,
      names,
    ),
    rotations: rotations.map((rotation) => comparableRow({ ...rotation }, {}, names)),
    records: await comparableRecords(deps, session.id, names),
    // Events of the same millisecond have no order.
    events: events.map(({ id: _, ...event }) => comparableRow(event, {}, names)).sort(byRequestAndType),
  };
}

// The records of opaque access tokens, as any node reads them.
async function comparableRecords({ db }: Deps, session_id: string, names: Map<unknown, string>) {
  const records = await db('oidc_models').where({ session_id });
  const like = records.map(({ id, payload, expires_at, ...row }) => {
    const { iat, exp, ...rest } = payload as { iat: number; exp: number };
    assert.ok(isNow(iat), `recorded at ${iat}`);
    assert.ok(Math.abs(exp * 1000 - (expires_at?.getTime() ?? 0)) < slack * 1000);
    const own = { ...row, id: shape(id), payload: rest, lifetime: Math.round((exp - iat) / 10) };
    return comparableRow(own, {}, names);
  });
  return like.sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
}

function byRequestAndType(one: Json, other: Json): number {
  const text = ({ request_id, type }: Json) => `${request_id} ${type}`;
  return text(one) < text(other) ? -1 : 1;
}

function comparableRow(row: Json, before: object, names: Map<unknown, string>): Json {
  const was = before as Json;
  const like = Object.entries(row).map(([name, value]) => [name, comparableValue(value, was[name], names)]);
  return Object.fromEntries(like);
}

function comparableValue(value: unknown, before: unknown, names: Map<unknown, string>): unknown {
  if (value instanceof Date) {
    if (before instanceof Date && before.getTime() === value.getTime()) return 'unchanged';
    return isNow(value.getTime() / 1000) ? 'now' : value.toISOString();
  }
  if (Buffer.isBuffer(value))
    return Buffer.isBuffer(before) && value.equals(before) ? 'unchanged' : 'changed';
  if (value && typeof value === 'object') {
    return JSON.parse(JSON.stringify(value), (_, one) => names.get(one) ?? one);
  }
  return names.get(value) ?? value;
}
