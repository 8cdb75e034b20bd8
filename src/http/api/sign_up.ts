// Sign-up by the API, for apps with their own screens: they ask for an account, and complete it with the code of the mail.
import { z } from 'zod';
import { completeSignUp } from '../../core/actions/complete_sign_up.ts';
import { requestSignUp } from '../../core/actions/sign_up.ts';
import { newPassword } from '../../core/passwords/password_policy.ts';
import { email, username } from '../../core/users/names.ts';
import { claimsInRequest } from '../../core/users/profile_claims.ts';
import { route } from './routes.ts';

const sign_up_id = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be the sign_up_id of an answer');

const newSignUp = z
  .strictObject({
    email,
    username: username.optional(),
    password: newPassword,
    claims: claimsInRequest('user').optional(),
  })
  .meta({ id: 'NewSignUp' });

const completion = z
  .strictObject({
    sign_up_id,
    code: z.string().max(64).describe('the six digits of the mail'),
    username: username
      .optional()
      .describe('instead of the one that was asked for, which may have been taken since'),
  })
  .meta({ id: 'SignUpCompletion' });

export const signUpRoutes = [
  route({
    method: 'post',
    path: '/sign-up',
    auth: 'public',
    summary:
      'Ask for an account: a code goes to the address. The answer is the same for an address that has one. 404 unless SIGN_UP=open',
    status: 202,
    body: newSignUp,
    response: z.object({ sign_up_id }).meta({ id: 'SignUpRequested' }),
    errors: [
      'not_found',
      'weak_password',
      'invalid_claims',
      'email_domain_not_allowed',
      'username_taken',
      'rate_limited',
      'overloaded',
    ],
    handler: async ({ deps, body, actor: { source } }) => ({
      sign_up_id: await requestSignUp(deps, { ...body, source }),
    }),
  }),
  route({
    method: 'post',
    path: '/sign-up/complete',
    auth: 'public',
    summary:
      'Create the account with the code of the mail; the app then logs in. The code is good only with its sign_up_id',
    status: 201,
    body: completion,
    response: z
      .object({ id: z.uuid(), username: z.string().nullable(), email: z.string().nullable() })
      .meta({ id: 'SignedUpUser' }),
    errors: ['not_found', 'invalid_code', 'username_taken', 'rate_limited'],
    handler: async ({ deps, body, actor: { source } }) => await completeSignUp(deps, { ...body, source }),
  }),
];
