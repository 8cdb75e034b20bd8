// `invite`: invites an address, and prints the link where no mail server is configured.
import { z } from 'zod';
import { invite, longestInvitation } from '../core/actions/invitations.ts';
import { openRateLimits } from '../core/limits/rate_limits.ts';
import { setOutboxKeyring } from '../core/outbox/outbox.ts';
import { email } from '../core/users/names.ts';
import { permissions, roles, tenantId } from '../core/users/rights.ts';
import { createKeyring } from '../lib/crypto.ts';
import { createLog } from '../lib/log.ts';
import { byCommand, withDatabase } from './database.ts';
import type { Answer } from './output.ts';

const invited = z.object({
  role: roles.default([]),
  permission: permissions.default([]),
  tenantId: tenantId.optional(),
  expiresIn: z.number().int().min(60).max(longestInvitation).optional(),
});

/** `invite <address>`. A command may give every right, like `create-user`. */
export async function inviteAddress(address: string, options: unknown): Promise<Answer> {
  const { role, permission, tenantId: tenant_id = null, expiresIn: expires_in } = invited.parse(options);
  const to = email.parse(address);
  return await withDatabase(async (db, config) => {
    const keyring = createKeyring(config.secrets);
    setOutboxKeyring(db, keyring);
    const log = createLog({ level: 'error' });
    // Commands are not limited: whoever runs them has the database.
    const limits = await openRateLimits(db, { ...config.rateLimits, store: 'off' }, log);
    const given = { email: to, roles: role, permissions: permission, tenant_id, expires_in };
    const { invitation, url, user_exists } = await invite({ db, keyring, limits, config }, given, byCommand);
    const data = { ...invitation, user_exists, ...(url === null ? {} : { url }) };
    const until = invitation.expires_at.toISOString();
    return { data, text: url ?? `invited ${to}; the link of the mail works until ${until}` };
  });
}
