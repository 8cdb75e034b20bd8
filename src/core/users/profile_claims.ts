// The profile of a user: which claims it may have, how a change is merged into it, and how large it may become. What it refuses is
// `invalid_claims` with the member and its problem; no text of the request is repeated.
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { exceedsJsonBounds } from '../../lib/json_bounds.ts';
import { jsonSize, mergePatch } from '../../lib/merge_patch.ts';
import { withoutBlanks } from './names.ts';
import { type ProfileClaims, profileMembers } from './users.ts';

/** The most bytes that the claims of a user have, as JSON in UTF-8. */
export const mostClaimBytes = 4_096;

// Control characters and line breaks, and those that change the order in which a page shows what follows.
const unwritable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;

const personName = z
  .string()
  .max(200, 'must have at most 200 characters')
  .transform(withoutBlanks)
  .pipe(
    z
      .string()
      .min(1, 'must not be empty; null removes it')
      .refine((text) => !unwritable.test(text), 'must not contain control characters'),
  );

const picture = z
  .string()
  .max(2_000, 'must have at most 2000 characters')
  .refine(isPicture, 'must be the URL of a picture, with https and without user or password');

const locale = z
  .string()
  .max(64, 'must have at most 64 characters')
  .refine(isLocale, 'must be a language tag, such as de-CH');

const zoneinfo = z
  .string()
  .max(64, 'must have at most 64 characters')
  .refine(isZone, 'must be the name of a time zone, such as Europe/Zurich');

const members = {
  name: personName,
  given_name: personName,
  family_name: personName,
  picture,
  locale,
  zoneinfo,
};

const standard = z.strictObject(
  Object.fromEntries(profileMembers.map((one) => [one, members[one].optional()])),
);
const app = z.record(z.string(), z.unknown());
const withApp = standard.extend({ app: app.optional() });

function isPicture(text: string): boolean {
  // What a URL parser would mend (blanks, backslashes, line breaks) is refused, because others read it differently.
  if (
    !/^https:\/\/[^/?#@]+([/?#]|$)/i.test(text) ||
    !/^[\x21-\x7e]+$/.test(text) ||
    /["<>\\^`{|}]/.test(text)
  )
    return false;
  return URL.canParse(text);
}

function isLocale(text: string): boolean {
  try {
    return /^[A-Za-z]{2,8}(-[A-Za-z\d]{1,8})*$/.test(text) && Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

function isZone(text: string): boolean {
  // An offset such as +02:00 is no zone: it knows no summer time.
  if (!/^[A-Za-z][A-Za-z\d_+/-]*$/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

/** Who changes a profile: users write the standard members, administrators and imports `app` as well. */
export type ProfileWriter = 'user' | 'admin';

/**
 * The claims after a change (RFC 7396: null removes a member, also within `app`); null when none is left. Refuses with `invalid_claims`
 * a member that the writer may not write, a value of another form, and more than {@link mostClaimBytes} bytes.
 */
export function changeClaims(
  before: ProfileClaims | null,
  patch: unknown,
  writer: ProfileWriter,
): ProfileClaims | null {
  if (patch === null && writer === 'admin') return null;
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch))
    throw refuse([{ path: [], message: 'must be an object' }]);
  // An import has no other check of how deep a line is.
  if (exceedsJsonBounds(patch)) throw refuse([{ path: [], message: 'must not be nested so deeply' }]);
  const schema = writer === 'admin' ? withApp : standard;
  const given = Object.entries(patch);
  const set = schema.safeParse(Object.fromEntries(given.filter(([, value]) => value !== null)));
  if (!set.success) throw refuse(set.error.issues);
  const removed = given.filter(([, value]) => value === null).map(([name]) => name);
  const unknown = removed.filter((name) => !Object.hasOwn(schema.shape, name));
  if (unknown.length > 0) throw refuse([{ path: [], message: 'has members that cannot be set' }]);
  const merged = mergePatch(before ?? {}, {
    ...set.data,
    ...Object.fromEntries(removed.map((name) => [name, null])),
  });
  return requireSize(merged as ProfileClaims);
}

function requireSize(claims: ProfileClaims): ProfileClaims | null {
  if (Object.keys(claims).length === 0) return null;
  if (jsonSize(claims) > mostClaimBytes)
    throw refuse([{ path: [], message: `must have at most ${mostClaimBytes} bytes as JSON` }]);
  return claims;
}

function refuse(issues: readonly { path: readonly PropertyKey[]; message: string }[]): AppError {
  const problems = issues.map(
    ({ path, message }) => `${['claims', ...path.map(String)].join('.')}: ${message}`,
  );
  return new AppError('invalid_claims', problems.join('; ').slice(0, 500));
}

const person = { minLength: 1, maxLength: 200 };

// What the OpenAPI document says of the members: as much of their form as every dialect can say.
const described = {
  name: { description: 'the full name', ...person },
  given_name: { description: 'first names', ...person },
  family_name: { description: 'last names', ...person },
  picture: {
    description: 'the https URL of a picture',
    maxLength: 2_000,
    pattern: '^[Hh][Tt][Tt][Pp][Ss]://[\\x21-\\x7e]+$',
  },
  locale: {
    description: 'a language tag (RFC 5646), such as de-CH',
    maxLength: 64,
    pattern: '^[A-Za-z]{2,8}(-[0-9A-Za-z]{1,8})*$',
  },
  zoneinfo: {
    description: 'a time zone, such as Europe/Zurich',
    maxLength: 64,
    pattern: '^[A-Za-z][0-9A-Za-z_+/-]*$',
  },
} as const;

/**
 * The member `claims` of a request, for the OpenAPI document. {@link changeClaims} judges it, so that whatever is wrong is
 * `invalid_claims`.
 */
export function claimsInRequest(writer: ProfileWriter) {
  return z.unknown().meta({
    type: 'object',
    description: `a merge patch (RFC 7396): null removes a member; at most ${mostClaimBytes} bytes in all`,
    properties: Object.fromEntries([
      ...profileMembers.map((name) => [name, { type: ['string', 'null'], ...described[name] }]),
      ...(writer === 'admin'
        ? [['app', { type: ['object', 'null'], description: 'claims of your own, of any form' }]]
        : []),
    ]),
    additionalProperties: false,
  });
}
