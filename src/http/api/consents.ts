// The caller's consents: list them, and withdraw one.
import { z } from 'zod';
import { withdrawConsent } from '../../core/actions/consents.ts';
import { clientIdLength } from '../../core/clients/client_metadata.ts';
import { listConsents } from '../../core/users/consents.ts';
import { AppError } from '../../lib/errors.ts';
import { dateTime, route } from './routes.ts';

const consent = z
  .object({
    client: z.object({ client_id: z.string(), client_name: z.string().nullable() }),
    scopes: z.array(z.string()).describe('scopes of this server'),
    resources: z.record(z.string(), z.array(z.string())).describe('scopes of each resource server'),
    created_at: dateTime,
    updated_at: dateTime,
  })
  .meta({ id: 'Consent' });

export const consentRoutes = [
  route({
    method: 'get',
    path: '/consents',
    auth: 'user',
    summary: 'List the apps to which I have given access, newest first',
    response: z.object({ consents: z.array(consent) }).meta({ id: 'ConsentList' }),
    handler: async ({ deps, caller }) => {
      const found = await listConsents(deps.db, caller.sub);
      return {
        consents: found.map(({ client_id, metadata, granted, created_at, updated_at }) => ({
          client: { client_id, client_name: metadata.client_name ?? null },
          scopes: granted.openid,
          resources: granted.resources,
          created_at,
          updated_at,
        })),
      };
    },
  }),
  route({
    method: 'delete',
    path: '/consents/:client_id',
    auth: 'user',
    summary: 'Withdraw the access of an app and end its sessions',
    params: { client_id: z.string().min(1).max(clientIdLength).describe('percent-encoded') },
    status: 204,
    errors: ['consent_not_found'],
    handler: async ({ deps, caller, params, actor }) => {
      const ended = await withdrawConsent(deps.db, caller.sub, params.client_id, actor);
      if (ended === null) throw new AppError('consent_not_found');
    },
  }),
];
