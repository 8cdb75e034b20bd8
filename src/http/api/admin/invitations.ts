// Administration of invitations: create, list, send again, withdraw. Only a creation answers a link, and only where no mail carries it.
import { z } from 'zod';
import {
  type CreatedInvitation,
  invite,
  inviteAgain,
  listInvitations,
  longestInvitation,
  withdrawInvitation,
} from '../../../core/actions/invitations.ts';
import { email } from '../../../core/users/names.ts';
import { permissions, roles, tenantId } from '../../../core/users/rights.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { dateTime, id, paging, route } from '../routes.ts';

const invitation = z
  .object({
    id: z.uuid(),
    email: z.string(),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    tenant_id: z.string().nullable(),
    invited_by: z.string().nullable().describe('the administrator or client; null for a command'),
    created_at: dateTime,
    expires_at: dateTime,
  })
  .meta({ id: 'Invitation' });

const created = invitation
  .extend({
    user_exists: z
      .boolean()
      .describe('whether the address has a user, who takes up the rights after a login'),
    url: z
      .string()
      .optional()
      .describe('the link, only where no mail server is configured; it is never answered again'),
  })
  .meta({ id: 'CreatedInvitation' });

const newInvitation = z
  .strictObject({
    email,
    roles: roles.default([]),
    permissions: permissions.default([]),
    tenant_id: tenantId.nullable().default(null),
    expires_in: z
      .int()
      .min(60)
      .max(longestInvitation)
      .optional()
      .describe('seconds for which the link works; seven days by default'),
  })
  .meta({ id: 'NewInvitation' });

const answerOf = ({ invitation: described, url, user_exists }: CreatedInvitation) => ({
  ...described,
  user_exists,
  ...(url === null ? {} : { url }),
});

export const adminInvitationRoutes = [
  route({
    method: 'get',
    path: '/admin/invitations',
    right: 'admin:users',
    summary: 'List the open invitations, expired ones among them, newest first',
    query: paging,
    response: z
      .object({ invitations: z.array(invitation), next_cursor: z.string().nullable() })
      .meta({ id: 'InvitationList' }),
    handler: async ({ deps, query: { limit, cursor } }) => {
      const after = decodeCursor(cursor, z.uuid());
      const { invitations, next } = await listInvitations(deps, { limit, after });
      return { invitations, next_cursor: next === null ? null : encodeCursor(next) };
    },
  }),
  route({
    method: 'post',
    path: '/admin/invitations',
    right: 'admin:users',
    summary:
      'Invite an address, with rights that its link alone gives. A newer invitation of the same address replaces the older one. 404 with SIGN_UP=off',
    status: 201,
    body: newInvitation,
    response: created,
    errors: ['right_missing', 'not_found', 'email_taken', 'rate_limited'],
    handler: async ({ deps, body, actor }) => answerOf(await invite(deps, body, actor)),
  }),
  route({
    method: 'post',
    path: '/admin/invitations/:id/send',
    right: 'admin:users',
    summary: 'Send an invitation again: a new link under a new id, and the old one is dead',
    status: 201,
    params: { id },
    response: created,
    errors: ['invitation_not_found', 'right_missing', 'email_taken', 'rate_limited'],
    handler: async ({ deps, params, actor }) => answerOf(await inviteAgain(deps, params.id, actor)),
  }),
  route({
    method: 'delete',
    path: '/admin/invitations/:id',
    right: 'admin:users',
    summary: 'Withdraw an invitation: its link is dead',
    status: 204,
    params: { id },
    errors: ['invitation_not_found'],
    handler: async ({ deps, params, actor }) => await withdrawInvitation(deps.db, params.id, actor),
  }),
];
