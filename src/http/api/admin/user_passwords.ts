// Administration of passwords: set one, make a link by which the user sets one, let a user try again.
import { z } from 'zod';
import { createRecoveryLink, setPassword } from '../../../core/actions/set_password.ts';
import { unlockUser } from '../../../core/actions/unlock_user.ts';
import { newPassword } from '../../../core/passwords/password_policy.ts';
import { dateTime, id, route } from '../routes.ts';
import { reasonText } from './user_status.ts';

const common = { right: 'admin:users', params: { id }, method: 'post' } as const;

const withReason = z.strictObject({ reason: reasonText });

const passwordSetting = withReason
  .extend({
    password: newPassword.optional(),
    generate: z
      .literal(true)
      .optional()
      .describe('instead of `password`: make one that is good for one login, which asks for a new one'),
  })
  .refine(
    ({ password, generate }) => (password === undefined) === (generate === true),
    'must have password or generate, and not both',
  )
  .meta({ id: 'PasswordSetting', oneOf: [{ required: ['password'] }, { required: ['generate'] }] });

export const adminUserPasswordRoutes = [
  route({
    ...common,
    path: '/admin/users/:id/password',
    summary: 'Set the password of a user; ends all sessions of the user',
    body: passwordSetting,
    response: z
      .object({
        sessions_ended: z.number().int(),
        password: z.string().optional().describe('the generated one; it is shown here and never again'),
      })
      .meta({ id: 'PasswordSettingResult' }),
    errors: ['user_not_found', 'weak_password', 'not_yourself', 'right_missing'],
    handler: async ({ deps, params, body: { password = null, reason }, actor }) =>
      await setPassword(deps, params.id, { ...actor, password, reason }),
  }),
  route({
    ...common,
    path: '/admin/users/:id/recovery-link',
    summary: 'Make a link by which the user sets a new password, once; it is shown here and never again',
    status: 201,
    body: withReason.meta({ id: 'NewRecoveryLink' }),
    response: z.object({ url: z.url(), expires_at: dateTime }).meta({ id: 'RecoveryLink' }),
    errors: ['user_not_found', 'user_not_active', 'not_yourself', 'right_missing'],
    handler: async ({ deps, params, body: { reason }, actor }) =>
      await createRecoveryLink(deps, params.id, { ...actor, reason }),
  }),
  route({
    ...common,
    path: '/admin/users/:id/unlock',
    summary: 'Let a user try again at once: removes lockouts and counted failures of the user',
    status: 204,
    body: withReason.meta({ id: 'Unlock' }),
    errors: ['user_not_found', 'not_yourself', 'right_missing'],
    handler: async ({ deps, params, body: { reason }, actor }) =>
      await unlockUser(deps, params.id, { ...actor, reason }),
  }),
];
