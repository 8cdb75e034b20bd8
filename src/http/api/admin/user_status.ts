// Administration of a user's status: ban, disable, delete and their undoing; and the end of all sessions of a user.
import { z } from 'zod';
import { logOutUser } from '../../../core/actions/log_out.ts';
import { changeUserStatus, type StatusChange } from '../../../core/actions/user_status.ts';
import type { UserStatus } from '../../../core/users/users.ts';
import { AppError } from '../../../lib/errors.ts';
import { id, route, timeInRequest } from '../routes.ts';
import { user, userView } from './user_view.ts';

/** Why an administrator acts; kept in the audit trail. */
export const reasonText = z.string().min(1).max(500);

const common = { right: 'admin:users', params: { id } } as const;

export const adminUserStatusRoutes = [
  statusRoute({
    verb: 'ban',
    to: 'banned',
    // Not from `disabled`: the user would be active again when the ban ends.
    from: ['active', 'banned'],
    summary: 'Ban a user, permanently or until a time; ends their sessions',
    members: {
      expires_at: timeInRequest.optional().describe('when the ban ends by itself; must be in the future'),
      message: reasonText.optional().describe('shown to the user once they have authenticated'),
    },
  }),
  statusRoute({ verb: 'unban', to: 'active', from: ['active', 'banned'], summary: 'Lift a ban' }),
  statusRoute({
    verb: 'disable',
    to: 'disabled',
    from: ['active', 'banned', 'disabled'],
    summary: 'Disable a user; ends their sessions',
    members: { message: reasonText.optional() },
  }),
  statusRoute({
    verb: 'enable',
    to: 'active',
    from: ['active', 'disabled'],
    summary: 'Enable a user again',
  }),
  statusRoute({
    verb: 'delete',
    to: 'deleted',
    from: ['active', 'banned', 'disabled'],
    summary: 'Delete a user: ends their sessions, erases personal data, frees the names',
  }),
  route({
    ...common,
    right: 'admin:sessions',
    method: 'post',
    path: '/admin/users/:id/force-logout',
    summary: 'End all sessions of a user',
    body: z.strictObject({ reason: reasonText }).meta({ id: 'ForceLogout' }),
    response: z.object({ sessions_ended: z.number().int() }).meta({ id: 'ForceLogoutResult' }),
    errors: ['user_not_found', 'right_missing'],
    handler: async ({ deps, params, body, actor }) => ({
      sessions_ended: await logOutUser(deps.db, params.id, { ...actor, reason: body.reason }),
    }),
  }),
];

interface StatusRoute {
  verb: string;
  to: UserStatus;
  from: UserStatus[];
  summary: string;
  /** Members of the body beside `reason`. */
  members?: z.ZodRawShape;
}

function statusRoute({ verb, to, from, summary, members = {} }: StatusRoute) {
  const name = verb.charAt(0).toUpperCase() + verb.slice(1);
  const body = z.strictObject({ reason: to === 'active' ? reasonText.optional() : reasonText, ...members });
  return route({
    ...common,
    method: 'post',
    path: `/admin/users/:id/${verb}`,
    summary,
    body: body.meta({ id: `${name}User` }),
    response: z.object({ user, sessions_ended: z.number().int() }).meta({ id: `${name}Result` }),
    errors: [
      'user_not_found',
      'wrong_status',
      'right_missing',
      ...(to === 'active' ? [] : (['not_yourself', 'last_admin'] as const)),
    ],
    handler: async ({ deps, params, body: given, actor }) => {
      const { reason, message, expires_at } = given as {
        reason?: string;
        message?: string;
        expires_at?: Date;
      };
      if (expires_at && expires_at.getTime() <= deps.clock.now()) {
        throw new AppError('invalid_request', 'expires_at: must be in the future');
      }
      const change: StatusChange = {
        status: to,
        from,
        reason: reason ?? null,
        message: message ?? null,
        ban_expires_at: expires_at ?? null,
        ...actor,
      };
      const { user: changed, ended } = await changeUserStatus(deps.db, params.id, change);
      return { user: userView(changed), sessions_ended: ended };
    },
  });
}
