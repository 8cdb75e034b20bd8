// Recovery for first-party apps: a code or link by mail, then a new password.
import { z } from 'zod';
import { completeRecovery, type RecoveryProof } from '../../core/actions/recover.ts';
import { requestRecovery } from '../../core/actions/request_recovery.ts';
import { newPassword } from '../../core/passwords/password_policy.ts';
import { login } from '../../core/users/names.ts';
import { AppError } from '../../lib/errors.ts';
import { route } from './routes.ts';

const secret = z
  .string()
  .regex(/^[\w-]{43}$/)
  .meta({ pattern: '^[A-Za-z0-9_-]{43}$' });

const recoveryId = secret.describe('the handle of the request; its code is good only together with it');

const request = z
  .strictObject({
    login: login.describe('the username, or the verified e-mail address'),
    recovery_id: recoveryId.optional().describe('of an earlier request, to send its mail again'),
  })
  .meta({ id: 'RecoveryRequest' });

const completion = z
  .strictObject({
    recovery_id: recoveryId.optional(),
    code: z.string().max(40).optional().describe('the six digits of the mail, with `recovery_id`'),
    token: z
      .string()
      .max(200)
      .optional()
      .describe('the last segment of the link in the mail, instead of `recovery_id` and `code`'),
    new_password: newPassword,
  })
  .refine((value) => proofOf(value) !== null, 'must have recovery_id and code, or token alone')
  .meta({
    id: 'RecoveryCompletion',
    oneOf: [
      { required: ['recovery_id', 'code'], properties: { token: false } },
      { required: ['token'], properties: { recovery_id: false, code: false } },
    ],
  });

interface Given {
  recovery_id?: string | undefined;
  code?: string | undefined;
  token?: string | undefined;
}

function proofOf({ recovery_id, code, token }: Given): RecoveryProof | null {
  if (token !== undefined) return recovery_id === undefined && code === undefined ? { token } : null;
  return recovery_id === undefined || code === undefined ? null : { recovery_id, code };
}

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
    handler: async ({ deps, body, actor: { source } }) => {
      const proof = proofOf(body);
      if (!proof) throw new AppError('invalid_request');
      await completeRecovery(deps, { proof, new_password: body.new_password, source });
    },
  }),
];
