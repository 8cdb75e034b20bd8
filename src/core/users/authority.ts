// What an administrator may do: nobody acts on a user or client that holds a right which the actor lacks, nor gives such a right, and a
// change needs a recent proof of who the actor is.
import { AppError } from '../../lib/errors.ts';
import { adminScopes } from '../clients/own_scopes.ts';
import { type Holder, holdsRight, rightsOf } from './rights.ts';

/** What an administrator or a client may do by the access token that it presents. A command has no such bounds. */
export interface Authority {
  /** Rights of administration that both the token's scope and its user have. */
  rights: readonly string[];
  tenant_id: string | null;
  /** Seconds since the user proved who they are; null for a client, which proves itself for each of its short tokens. */
  proof_age: number | null;
}

/** The ages, in seconds, beyond which a proof is too old: for a change of anything, and for one of a user with rights of administration. */
export const proofAges = { change: 900, administrator: 300 };

/** Refuses with `insufficient_user_authentication` (RFC 9470, 3) a proof that is older than `max_age` seconds. */
export function requireProof({ proof_age }: Authority, max_age: number): void {
  if (proof_age === null || proof_age <= max_age) return;
  throw new AppError('insufficient_user_authentication', undefined, { maxAge: max_age });
}

/**
 * Refuses to act on a user who holds a right that the actor lacks (`right_missing`), and on a user with any right of administration
 * after an older proof. The caller has locked the user's row, so that the rights are those of now.
 */
export function requireAuthorityOver(by: Authority | undefined, target: Holder): void {
  if (!by) return;
  const held = rightsOf(target);
  requireAll(by, held);
  if (held.length > 0) requireProof(by, proofAges.administrator);
}

/** A user's rights and tenant, as they would be after a change. */
export interface Given extends Holder {
  tenant_id: string | null;
}

/**
 * Refuses to give a right that the actor lacks, and, without the role `admin`, to move a user out of or into a tenant that is not the
 * actor's own. `before` is the user as it was; null for a new one.
 */
export function requireGivable(by: Authority | undefined, after: Given, before: Given | null): void {
  if (!by) return;
  const given = rightsOf(after);
  requireAll(by, given);
  if (given.length > 0) requireProof(by, proofAges.administrator);
  const from = before?.tenant_id ?? null;
  if (after.tenant_id === from || holdsRight(by.rights, 'admin')) return;
  const foreign = [from, after.tenant_id].some((tenant) => tenant !== null && tenant !== by.tenant_id);
  if (foreign) throw new AppError('right_missing');
}

/**
 * Refuses to act on a client whose scope holds a right that the actor lacks: its own tokens, and those of its users, could do more than
 * the actor may.
 */
export function requireAuthorityOverClient(
  by: Authority | undefined,
  { scope, first_party }: { scope: string | null; first_party: boolean },
): void {
  if (!by || !first_party) return;
  const held = scope?.split(' ').filter((one) => adminScopes.includes(one)) ?? [];
  if (held.some((right) => !holdsRight(by.rights, right)))
    throw new AppError('right_missing', 'You lack a right that this client has or would get.');
}

function requireAll(by: Authority, rights: readonly string[]): void {
  if (rights.some((right) => !holdsRight(by.rights, right))) throw new AppError('right_missing');
}
