// The caller's own address: asking for another one, and proving it by the code of the mail.
import { z } from 'zod';
import { requestAddressChange, verifyAddressByCode } from '../../core/actions/change_address.ts';
import { email } from '../../core/users/names.ts';
import { route } from './routes.ts';

const addressChange = z.strictObject({ email, current_password: z.string() }).meta({ id: 'AddressChange' });

const pendingAddress = z
  .object({
    pending_email: z.string().meta({ description: 'the address that a code and a link were sent to' }),
  })
  .meta({ id: 'PendingAddress' });

const addressCode = z
  .strictObject({
    code: z
      .string()
      .max(40)
      .meta({ description: 'the six digits of the mail', examples: ['031337'] }),
  })
  .meta({ id: 'AddressCode' });

export const myAddressRoutes = [
  route({
    method: 'post',
    path: '/me/email',
    auth: 'user',
    summary:
      'Change my e-mail address, or prove the present one: sends a code and a link there, and changes nothing yet; 10 requests an hour. 404 where no mail can be sent',
    status: 202,
    body: addressChange,
    response: pendingAddress,
    errors: [
      'not_found',
      'email_domain_not_allowed',
      'invalid_credentials',
      'password_not_set',
      'rate_limited',
    ],
    handler: async ({ deps, caller, body, actor: { source } }) => {
      await requestAddressChange(deps, {
        user_id: caller.sub,
        asker: { session_id: caller.sid },
        ...body,
        source,
      });
      return { pending_email: body.email };
    },
  }),
  route({
    method: 'post',
    path: '/me/email/verify',
    auth: 'user',
    summary:
      'Prove my pending address by the code of the mail; the former address can undo the change for seven days',
    status: 204,
    body: addressCode,
    errors: ['invalid_code', 'email_taken'],
    handler: async ({ deps, caller, body, actor: { source } }) => {
      await verifyAddressByCode(deps, {
        user_id: caller.sub,
        asker: { session_id: caller.sid },
        code: body.code.replaceAll(/[\s-]/g, ''),
        source,
      });
    },
  }),
];
