// Claims that clients and resource servers ask for in access tokens: names of their own choice for members of a user's profile,
// `{"plan": "app.plan"}`. No code runs, and no name can take the place of a claim that has a meaning.
import { z } from 'zod';

/** The members of a profile that users write themselves. Users stand above clients, so they are named here once more. */
export const standardMembers = [
  'name',
  'given_name',
  'family_name',
  'picture',
  'locale',
  'zoneinfo',
] as const;

/** By the name in the token: which member of the profile it shows, such as `locale` or `app.plan`. */
export type NamedClaims = Readonly<Record<string, string>>;

const mostNamed = 20;

// RFC 7519, 4.1; RFC 8693, 4; RFC 7800, 3.1; RFC 9068, 2.2; RFC 7662, 2.2; RFC 9396, 9.1; OpenID Connect Core 1.0, 2, 3.3.2.11, 5.1,
// 5.6.2, 7.4; front- and back-channel logout; identity assurance; RFC 8417, 2.2; and what this server writes.
const taken = new Set(
  `iss sub aud exp nbf iat jti act may_act cnf scope client_id auth_time acr amr groups roles entitlements active username token_type
  authorization_details nonce azp at_hash c_hash s_hash sub_jwk name given_name family_name middle_name nickname preferred_username
  profile picture website email email_verified gender birthdate zoneinfo locale phone_number phone_number_verified address updated_at
  _claim_names _claim_sources sid events toe txn sub_id verified_claims token_introspection permissions tid token_version client_version
  userinfo_scope gty ended_reason reason`
    .split(/\s+/)
    .filter(Boolean),
);

const name = z
  .string()
  .regex(
    /^[A-Za-z][\x21\x23-\x5b\x5d-\x7e]{0,99}$/,
    'must begin with a letter and have 1 to 100 visible ASCII characters',
  )
  .refine((one) => !taken.has(one.toLowerCase()), 'is the name of a claim that has a meaning already');

const member = z
  .string()
  .max(200)
  .regex(
    new RegExp(`^(${standardMembers.join('|')}|app(\\.[A-Za-z0-9_-]{1,64}){1,8})$`),
    `must be one of ${standardMembers.join(', ')}, or a path such as app.plan`,
  );

/** What an administrator writes. */
export const namedClaims = z
  .record(name, member)
  .refine((claims) => Object.keys(claims).length <= mostNamed, `must have at most ${mostNamed} members`)
  .refine((claims) => isDisjoint(Object.values(claims)), 'must not show a member twice')
  .meta({
    description: `claims of the user's profile in access tokens, by their names there: {"plan": "app.plan"}; at most ${mostNamed}, none with a name that has a meaning already, no member twice`,
  });

// So that the claims are no longer than the profile, which is at most 4 KiB.
function isDisjoint(members: string[]): boolean {
  return members.every((one, at) =>
    members.every((other, where) => at === where || !`${other}.`.startsWith(`${one}.`)),
  );
}

/** The claims of a user by their names in the token; those that the user has not are left out. */
export function readNamedClaims(
  named: NamedClaims | null | undefined,
  claims: object | null,
): [string, unknown][] {
  if (!named || !claims) return [];
  return Object.entries(named).flatMap(([name, path]) => {
    const value = path.split('.').reduce<unknown>(memberOf, claims);
    return value === undefined || value === null ? [] : [[name, value]];
  });
}

function memberOf(value: unknown, name: string): unknown {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
