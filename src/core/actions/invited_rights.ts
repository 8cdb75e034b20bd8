// What an invitation gives: all of it or nothing, by what its inviter holds when it is accepted.
import { AppError } from '../../lib/errors.ts';
import { parseId } from '../../lib/ids.ts';
import { findClient } from '../clients/clients.ts';
import { adminScopes } from '../clients/own_scopes.ts';
import type { Db } from '../store/db.ts';
import { isActive } from '../users/active_users.ts';
import { type Authority, requireGivable } from '../users/authority.ts';
import { holdsRight, rightsOf } from '../users/rights.ts';
import { findUser, type User } from '../users/users.ts';
import type { InvitedRights, Inviter } from './invitations.ts';

/** The rights of a user after an invitation; null for a new user. */
export function afterTaking(user: InvitedRights | null, given: InvitedRights): InvitedRights {
  return {
    roles: [...new Set([...(user?.roles ?? []), ...given.roles])],
    permissions: [...new Set([...(user?.permissions ?? []), ...given.permissions])],
    tenant_id: given.tenant_id ?? user?.tenant_id ?? null,
  };
}

/**
 * What may be given now; null when the inviter lacks some of it, or the user belongs to another tenant, into which the rights would move
 * along. An inviter who may not invite any more has invited nobody.
 */
export async function givableRights(
  db: Db,
  inviter: Inviter,
  given: InvitedRights,
  user: User | null,
): Promise<InvitedRights | null | 'inviter_gone'> {
  const authority = await authorityOf(db, inviter);
  if (authority === 'gone') return 'inviter_gone';
  if (user?.tenant_id && given.tenant_id && user.tenant_id !== given.tenant_id) return null;
  try {
    requireGivable(authority, afterTaking(user, given), user);
    return given;
  } catch (error) {
    if (error instanceof AppError && error.code === 'right_missing') return null;
    throw error;
  }
}

// What the inviter may do now; undefined for a command, which has no bounds.
async function authorityOf(db: Db, { id }: Inviter): Promise<Authority | undefined | 'gone'> {
  if (id === null) return undefined;
  const user = parseId(id) === null ? null : await findUser(db, id);
  const client = user ? null : await findClient(db, id);
  const rights = user
    ? rightsOf(user)
    : (client?.scope?.split(' ') ?? []).filter((one) => adminScopes.includes(one));
  const isActiveStill = user ? await isActive(db, user) : client?.first_party === true;
  if (!isActiveStill || !holdsRight(rights, 'admin:users')) return 'gone';
  return { rights, tenant_id: user?.tenant_id ?? null, proof_age: null };
}
