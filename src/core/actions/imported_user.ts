// One line of an import: a user as JSON, or the reason why the line is refused.
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { parseId } from '../../lib/ids.ts';
import type { Line } from '../../lib/split_lines.ts';
import { problemOfHash } from '../passwords/password_hash.ts';
import { addressKey, email, isAddress, maxNameLength, nameKey, username } from '../users/names.ts';
import { changeClaims } from '../users/profile_claims.ts';
import { permissions, roles, tenantId } from '../users/rights.ts';
import type { ProfileClaims } from '../users/users.ts';

/** Longer lines are refused unread; no user needs as much. */
export const maxLineBytes = 65_536;

export interface ImportedUser {
  line: number;
  /** The user's `sub`, kept from the old system; null for a new one. */
  id: string | null;
  username: string | null;
  username_key: string | null;
  email: string | null;
  email_key: string | null;
  /** Whether the address counts as proved, by the line or by the operator who vouches for all of them. */
  email_verified: boolean;
  claims: ProfileClaims | null;
  password_hash: string | null;
  roles: string[];
  permissions: string[];
  tenant_id: string | null;
  created_at: Date | null;
}

/** A line that is refused. The detail is for people and quotes nothing of the line. */
export interface RefusedLine {
  line: number;
  /** A stable code. */
  reason: string;
  detail?: string;
}

// Other systems let users have an address as their username.
const usernameOrAddress = z
  .string()
  .max(maxNameLength)
  .transform((value, context) => {
    const parsed = (isAddress(value) ? email : username).safeParse(value);
    if (parsed.success) return parsed.data;
    for (const { message } of parsed.error.issues) context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

const shape = z.strictObject({
  id: z.uuid().optional(),
  username: usernameOrAddress.nullish(),
  email: email.nullish(),
  email_verified: z.boolean().nullish(),
  claims: z.unknown().optional(),
  password_hash: z.string().nullish(),
  roles: roles.default([]),
  permissions: permissions.default([]),
  tenant_id: tenantId.nullish(),
  created_at: z.iso
    .datetime({ offset: true })
    .transform((value) => new Date(value))
    .nullish(),
});

/** Reads a line; null for a blank one. The hash is not verified against anything, only read. */
export function readImportedUser({ number: line, bytes }: Line): ImportedUser | RefusedLine | null {
  if (!bytes) return { line, reason: 'line_too_long', detail: `more than ${maxLineBytes} bytes` };
  const text = decode(bytes);
  if (text === null) return { line, reason: 'not_utf8' };
  if (text.trim() === '') return null;
  const json = parse(text);
  if (json === undefined) return { line, reason: 'bad_json' };
  const parsed = shape.safeParse(asMeant(json));
  if (!parsed.success) return { line, ...describeIssues(parsed.error.issues) };
  const { data } = parsed;
  const names = namesOf(data);
  if ('reason' in names) return { line, ...names };
  const claims = claimsOf(data.claims);
  if (claims && 'reason' in claims) return { line, ...claims };
  const problem = data.password_hash ? problemOfHash(data.password_hash) : null;
  if (problem || data.password_hash === '') return { line, reason: problem ?? 'unknown_hash_format' };
  return {
    line,
    id: parseId(data.id),
    ...names,
    username_key: names.username === null ? null : nameKey(names.username),
    email_key: names.email === null ? null : addressKey(names.email),
    email_verified: names.email !== null && data.email_verified === true,
    claims,
    password_hash: data.password_hash ?? null,
    roles: data.roles,
    permissions: data.permissions,
    tenant_id: data.tenant_id ?? null,
    created_at: data.created_at ?? null,
  };
}

// A username that is an address becomes the address, and nobody has proved it unless the line says so.
function namesOf(data: {
  username?: string | null | undefined;
  email?: string | null | undefined;
}): Pick<ImportedUser, 'username' | 'email'> | Omit<RefusedLine, 'line'> {
  const { username: name = null, email: address = null } = data;
  const refuse = (problem: string) => ({ reason: 'invalid_username', detail: `username: ${problem}` });
  if (name === null && address === null) return refuse('a user needs a username or an e-mail address');
  if (name === null || !isAddress(name)) return { username: name, email: address };
  if (address !== null && addressKey(address) !== addressKey(name))
    return refuse('is another e-mail address than `email`');
  return { username: null, email: address ?? name };
}

function claimsOf(given: unknown): ProfileClaims | null | Omit<RefusedLine, 'line'> {
  try {
    return given === undefined ? null : changeClaims(null, given, 'admin');
  } catch (error) {
    if (error instanceof AppError) return { reason: error.code, detail: error.message };
    throw error;
  }
}

/** Members that some exports write as null where there is nothing. */
const mayBeNull = new Set(['id', 'roles', 'permissions', 'claims']);

// Other systems write "none" and times in other ways.
function asMeant(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const members = Object.entries(json).filter(
    ([name, value]) =>
      !(value === null && mayBeNull.has(name)) &&
      !(value === '' && (name === 'email' || name === 'username')),
  );
  return Object.fromEntries(members.map(([name, value]) => [name, readMember(name, value)]));
}

function readMember(name: string, value: unknown): unknown {
  if (name === 'created_at') return typeof value === 'number' ? isoOf(value) : respelled(value);
  // Django writes `!` and random letters for a user who has no password.
  const hasNone = name === 'password_hash' && typeof value === 'string' && value.startsWith('!');
  return hasNone ? null : value;
}

// Milliseconds since 1970. A number of seconds is too small to be one of these years.
function isoOf(milliseconds: number): unknown {
  const isOne = Number.isInteger(milliseconds) && milliseconds >= 1e11 && milliseconds < 1e13;
  return isOne ? new Date(milliseconds).toISOString() : milliseconds;
}

// As databases and Python write times: with a space, and with an offset of hours alone.
function respelled(value: unknown): unknown {
  if (typeof value !== 'string' || value.length > 40) return value;
  return value
    .replace(/^(\d{4}-\d\d-\d\d) /, '$1T')
    .replace(/([+-]\d\d)(?::?(\d\d))?$/, (whole, hours, minutes) =>
      value.includes(':') ? `${hours}:${minutes ?? '00'}` : whole,
    );
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describeIssues(issues: z.core.$ZodIssue[]): Omit<RefusedLine, 'line'> {
  const [first] = issues;
  const member = first?.path[0];
  const detail = issues.map(({ path, message }) => [...path, message].join(': ')).join('; ');
  if (first?.code === 'unrecognized_keys') return { reason: 'unknown_members', detail: detail.slice(0, 500) };
  return { reason: member === undefined ? 'not_an_object' : `invalid_${String(member)}`, detail };
}
