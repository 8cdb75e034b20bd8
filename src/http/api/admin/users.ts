// Administration of users: find, create, read, change.
import { z } from 'zod';
import { changeUser } from '../../../core/actions/change_user.ts';
import { addUser } from '../../../core/actions/create_user.ts';
import { hashNewPassword, newPassword } from '../../../core/passwords/password_policy.ts';
import { email, username } from '../../../core/users/names.ts';
import { permissions, roles, tenantId } from '../../../core/users/rights.ts';
import { listUsers, type UserPosition } from '../../../core/users/user_search.ts';
import { findUser, type UserStatus } from '../../../core/users/users.ts';
import { AppError } from '../../../lib/errors.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { type ApiRequest, dateTime, id, paging, route } from '../routes.ts';

const status = z.enum(['active', 'banned', 'disabled', 'deleted']);

/** A user as administrators see it. */
export const user = z
  .object({
    id: z.uuid(),
    username: z.string().nullable(),
    email: z.string().nullable(),
    status,
    status_reason: z.string().nullable(),
    status_message: z.string().nullable(),
    ban_expires_at: dateTime.nullable(),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    tenant_id: z.string().nullable(),
    token_version: z.number().int(),
    last_login_at: dateTime.nullable(),
    created_at: dateTime,
    updated_at: dateTime,
  })
  .meta({ id: 'User' });

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
        username,
        email: email.optional(),
        password: newPassword.optional(),
        ...rights,
      })
      .meta({ id: 'NewUser' }),
    response: user,
    errors: ['weak_password', 'username_taken', 'email_taken', 'right_missing'],
    handler: async ({ deps: { db }, body: { password, ...given }, actor }) => {
      const password_hash = password === undefined ? null : await hashNewPassword(password, given);
      const input = { ...withoutUndefined(given), username: given.username, password_hash };
      return await addUser(db, actor, input);
    },
  }),
  route({
    ...common,
    method: 'get',
    path: '/admin/users/:id',
    summary: 'Read a user',
    response: user,
    errors: ['user_not_found'],
    handler: async ({ deps, params }) => (await findUser(deps.db, params.id)) ?? notFound(),
  }),
  route({
    ...common,
    method: 'patch',
    path: '/admin/users/:id',
    summary: 'Change a user; access tokens with the old roles, permissions or tenant become inactive',
    body: z
      .strictObject({ username: username.optional(), email: email.nullable().optional(), ...rights })
      .meta({ id: 'UserChange' }),
    response: user,
    errors: [
      'user_not_found',
      'username_taken',
      'email_taken',
      'not_yourself',
      'last_admin',
      'right_missing',
    ],
    handler: async ({ deps, params, body, actor }) => await changeUser(deps.db, params.id, body, actor),
  }),
];

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
  if (!next) return { users, next_cursor: null };
  return { users, next_cursor: encodeCursor(next.by === 'id' ? next.after : [next.by, next.after]) };
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
