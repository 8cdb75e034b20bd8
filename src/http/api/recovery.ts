// Recovery for first-party apps: a code or link by mail, then a new password.
import { z } from 'zod';
import { completeRecovery } from '../../core/actions/recover.ts';
import { requestRecovery } from '../../core/actions/request_recovery.ts';
import { newPassword } from '../../core/passwords/password_policy.ts';
import { AppError } from '../../lib/errors.ts';
import { route } from './routes.ts';

const secret = z
  .string()
  .regex(/^[\w-]{43}$/)
  .meta({ pattern: '^[A-Za-z0-9_-]{43}$' });

const recoveryId = secret.describe('the handle of the request; its code is good only together with it');

const request = z
  .strictObject({
    login: z.string().min(1).max(320).describe('the username, or the verified e-mail address'),
    recovery_id: recoveryId.optional().describe('of an earlier request, to send its mail again'),
  })
  .meta({ id: 'RecoveryRequest' });

const completion = z
  .union([
    z.strictObject({
      recovery_id: recoveryId,
      code: z.string().max(40).describe('the six digits of the mail'),
      new_password: newPassword,
    }),
    z.strictObject({
      token: z.string().max(200).describe('the last segment of the link in the mail'),
      new_password: newPassword,
    }),
  ])
  .meta({ id: 'RecoveryCompletion' });

export const recoveryRoutes = [
  route({
    method: 'post',
    path: '/recovery',
    auth: 'public',
    summary:
      'Send a code and a link to set a new password; answers alike whether there is such a user or not',
    status: 202,
    body: request,
    response: z.object({ recovery_id: z.string() }).meta({ id: 'Recovery' }),
    errors: ['rate_limited', 'not_found'],
    handler: async ({ deps, body, actor: { source } }) => {
      if (!deps.config.recovery) throw new AppError('not_found');
      return {
        recovery_id: await requestRecovery(deps, { ...body, recovery_id: body.recovery_id ?? null, source }),
      };
    },
  }),
  route({
    method: 'post',
    path: '/recovery/complete',
    auth: 'public',
    summary: 'Set a new password by a code or link from a mail; ends all sessions of the user and opens none',
    status: 204,
    body: completion,
    errors: ['invalid_code', 'weak_password', 'rate_limited'],
    handler: async ({ deps, body: { new_password, ...proof }, actor: { source } }) => {
      await completeRecovery(deps, { proof, new_password, source });
    },
  }),
];
