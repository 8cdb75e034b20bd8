// Administration of users: find, create, read, change.
import { z } from 'zod';
import { changeUser } from '../../../core/actions/change_user.ts';
import { addUser } from '../../../core/actions/create_user.ts';
import { hashNewPassword, newPassword } from '../../../core/passwords/password_policy.ts';
import { email, username } from '../../../core/users/names.ts';
import { claimsInRequest } from '../../../core/users/profile_claims.ts';
import { permissions, roles, tenantId } from '../../../core/users/rights.ts';
import { listUsers, type UserPosition } from '../../../core/users/user_search.ts';
import { findUser, type UserStatus } from '../../../core/users/users.ts';
import { AppError } from '../../../lib/errors.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { type ApiRequest, id, paging, route } from '../routes.ts';
import { status, user, userView } from './user_view.ts';

const rights = {
  roles: roles.optional(),
  permissions: permissions.optional(),
  tenant_id: tenantId.nullable().optional(),
};

const common = { right: 'admin:users', params: { id } } as const;

export const adminUserRoutes = [
  route({
    method: 'get',
    path: '/admin/users',
    right: 'admin:users',
    summary: 'List users, or search them by the beginning of username or e-mail address',
    query: {
      ...paging,
      search: z
        .string()
        .min(1)
        .max(254)
        .optional()
        .describe('the beginning of a username or e-mail address; the answer is in the order of these names'),
      status: status.optional(),
    },
    response: z
      .object({
        users: z.array(user).describe('may be fewer than `limit` although another page follows'),
        next_cursor: z.string().nullable(),
      })
      .meta({ id: 'UserList' }),
    handler: list,
  }),
  route({
    method: 'post',
    path: '/admin/users',
    right: 'admin:users',
    summary: 'Create a user',
    status: 201,
    body: z
      .strictObject({
        username: username.optional(),
        email: email.optional(),
        email_verified: z
          .boolean()
          .optional()
          .describe('with `email`: whether you vouch for the address; true unless you say otherwise'),
        password: newPassword.optional(),
        claims: claimsInRequest('admin').optional(),
        ...rights,
      })
      .refine((given) => given.username !== undefined || given.email !== undefined, {
        path: ['username'],
        error: 'a user needs a username or an e-mail address',
      })
      .refine((given) => given.email !== undefined || given.email_verified === undefined, {
        path: ['email_verified'],
        error: 'needs an e-mail address',
      })
      .meta({
        id: 'NewUser',
        anyOf: [{ required: ['username'] }, { required: ['email'] }],
        dependentRequired: { email_verified: ['email'] },
      }),
    response: user,
    errors: ['weak_password', 'invalid_claims', 'username_taken', 'email_taken', 'right_missing'],
    handler: create,
  }),
  route({
    ...common,
    method: 'get',
    path: '/admin/users/:id',
    summary: 'Read a user',
    response: user,
    errors: ['user_not_found'],
    handler: async ({ deps, params }) => userView((await findUser(deps.db, params.id)) ?? notFound()),
  }),
  route({
    ...common,
    method: 'patch',
    path: '/admin/users/:id',
    summary: 'Change a user; access tokens with the old roles, permissions or tenant become inactive',
    body: z
      .strictObject({
        username: username
          .nullable()
          .optional()
          .describe('null removes it from a user with an e-mail address'),
        email: email
          .nullable()
          .optional()
          .describe(
            'a new address is not verified unless `email_verified` says so; null removes it from a user with a username',
          ),
        email_verified: z
          .boolean()
          .optional()
          .describe('true: you vouch for the address, the new one or the present one; needs a `reason`'),
        reason: z.string().min(1).max(500).optional().describe('why; kept in the trail'),
        claims: claimsInRequest('admin').optional(),
        ...rights,
      })
      .refine((given) => !given.email_verified || given.reason !== undefined, {
        path: ['reason'],
        error: 'is required to vouch for an address',
      })
      .meta({
        id: 'UserChange',
        anyOf: [{ required: ['reason'] }, { properties: { email_verified: { const: false } } }],
      }),
    response: user,
    errors: [
      'user_not_found',
      'invalid_claims',
      'username_taken',
      'email_taken',
      'not_yourself',
      'last_admin',
      'right_missing',
    ],
    handler: async ({ deps, params, body, actor }) =>
      userView(await changeUser(deps.db, params.id, body, actor)),
  }),
];

interface NewUserBody {
  username?: string | undefined;
  email?: string | undefined;
  email_verified?: boolean | undefined;
  password?: string | undefined;
}

async function create({
  deps: { db },
  body: { password, email_verified = true, ...given },
  actor,
}: ApiRequest<unknown, unknown, NewUserBody>) {
  const password_hash = password === undefined ? null : await hashNewPassword(password, given);
  return userView(await addUser(db, actor, { ...withoutUndefined(given), email_verified, password_hash }));
}

type ListRequest = ApiRequest<
  unknown,
  { limit: number; cursor?: string | undefined; search?: string | undefined; status?: UserStatus | undefined }
>;

// Lists and searches have different orders, so neither takes the cursor of the other.
const idCursor = z.uuid();
const searchCursor = z.tuple([z.enum(['username', 'email']), z.string().max(254)]);

async function list({ deps, query: { limit, cursor, search, status } }: ListRequest) {
  const after = search === undefined ? positionInList(cursor) : positionInSearch(cursor);
  const { users, next } = await listUsers(deps.db, { prefix: search, status, after, limit });
  const shown = users.map(userView);
  if (!next) return { users: shown, next_cursor: null };
  return { users: shown, next_cursor: encodeCursor(next.by === 'id' ? next.after : [next.by, next.after]) };
}

function positionInList(cursor: string | undefined): UserPosition | undefined {
  const after = decodeCursor(cursor, idCursor);
  return after === undefined ? undefined : { by: 'id', after };
}

function positionInSearch(cursor: string | undefined): UserPosition | undefined {
  const [by, after] = decodeCursor(cursor, searchCursor) ?? [];
  return by && after !== undefined ? { by, after } : undefined;
}

function notFound(): never {
  throw new AppError('user_not_found');
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Partial<
    Defined<T>
  >;
}
