// Administration of signing keys: list and rotate.
import { z } from 'zod';
import { rotateKeys } from '../../../core/actions/key_rotation.ts';
import { listSigningKeys } from '../../../core/keys/signing_keys.ts';
import { AppError } from '../../../lib/errors.ts';
import { dateTime, route } from '../routes.ts';

const key = z
  .object({
    kid: z.string(),
    alg: z.string(),
    status: z.enum(['upcoming', 'current', 'retiring']),
    created_at: dateTime.describe('published since'),
    current_at: dateTime.nullable().describe('signs since'),
    retiring_at: dateTime.nullable().describe('stopped signing at'),
    expires_at: dateTime.nullable().describe('is published until'),
  })
  .meta({ id: 'SigningKey' });

export const adminKeyRoutes = [
  route({
    method: 'get',
    path: '/admin/keys',
    right: 'admin:config',
    summary: 'List signing keys, the current ones first',
    response: z.object({ keys: z.array(key) }).meta({ id: 'SigningKeyList' }),
    handler: async ({ deps }) => ({ keys: await listSigningKeys(deps.db) }),
  }),
  route({
    method: 'post',
    path: '/admin/keys/rotate',
    right: 'admin:config',
    summary: 'Let the upcoming keys sign; the current ones stay published until their last token has expired',
    body: z
      .strictObject({
        force: z
          .boolean()
          .optional()
          .describe('rotate even if verifiers may not have seen the upcoming key yet; for a key that leaked'),
      })
      .meta({ id: 'KeyRotation' }),
    response: z
      .object({
        kid: z.string().describe('the key that signs access tokens now'),
        keys: z
          .array(z.object({ kid: z.string(), alg: z.string() }))
          .describe(
            'the keys that began to sign: those of every algorithm whose upcoming key was old enough',
          ),
      })
      .meta({ id: 'KeyRotationResult' }),
    errors: ['key_too_young'],
    handler: async ({ deps, body: { force = false }, actor }) => {
      const rotation = await rotateKeys(deps, actor, { force });
      if (rotation.outcome === 'too_young') {
        throw new AppError(
          'key_too_young',
          `The upcoming key may sign from ${rotation.ready_at?.toISOString()} on.`,
        );
      }
      return { kid: rotation.kid, keys: rotation.keys ?? [] };
    },
  }),
];
