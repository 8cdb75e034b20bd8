// Invitations: an administrator asks a person to join, with rights that only the link of the mail gives, and only to its address. One
// invitation is open for an address; a newer one replaces it. accept_invitation.ts has what the link does.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { enqueueMail } from '../mail/mails.ts';
import { issueCode, type OneTimeCode, payloadOf } from '../one_time_codes/one_time_codes.ts';
import { isAddressReserved } from '../one_time_codes/reserved_addresses.ts';
import { isPostgres } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { requireGivable } from '../users/authority.ts';
import { addressKey } from '../users/names.ts';
import { type Initiator, recordEventOf } from './initiator.ts';
import type { SignUpDeps } from './sign_up.ts';
import { findProvedUser } from './take_address.ts';

/** The parts of `Deps` that invitations need; `mail` says whether mails are sent, or the link is answered instead. */
export type InvitationDeps = Pick<SignUpDeps, 'db' | 'keyring' | 'limits'> & {
  config: SignUpDeps['config'] & { issuer: string; mail: { smtpUrl: string | null } };
};

/** What an invitation gives. */
export interface InvitedRights {
  roles: string[];
  permissions: string[];
  tenant_id: string | null;
}

export interface NewInvitation extends InvitedRights {
  email: string;
  /** Seconds for which the link works. */
  expires_in?: number | undefined;
}

/** Who invited: an administrator or a client by its id; a command has none. */
export interface Inviter {
  id: string | null;
}

/** What lies sealed in the code of an invitation. */
export interface InvitationPayload extends InvitedRights {
  inviter: Inviter;
  expires_in: number | null;
}

export interface Invitation extends InvitedRights {
  id: string;
  email: string;
  invited_by: string | null;
  created_at: Date;
  expires_at: Date;
}

export interface CreatedInvitation {
  invitation: Invitation;
  /** The link, where no mail carries it. It is answered once. */
  url: string | null;
  /** Whether the address has a user, who keeps the account and takes up the rights. */
  user_exists: boolean;
}

/** The longest time, in seconds, for which the link of an invitation works. */
export const longestInvitation = 30 * 24 * 3_600;

/**
 * Invites an address; an open invitation of the same address becomes void. Refuses with `not_found` where sign-up is off, with
 * `right_missing` when the inviter lacks what it gives, with `email_taken` while another user may still restore the address, and with
 * `rate_limited` after too many invitations of one mailbox.
 */
export async function invite(
  deps: InvitationDeps,
  invitation: NewInvitation,
  initiator: Initiator,
): Promise<CreatedInvitation> {
  requireInvitations(deps);
  requireGivable(initiator.authority, invitation, null);
  if (await isAddressReserved(deps.db, invitation.email)) throw new AppError('email_taken');
  // Counted apart from other mails of the mailbox: invitations must not keep its owner from recovering.
  const { isAllowed, nextIn } = await deps.limits.mail.take('invite', addressKey(invitation.email));
  if (!isAllowed) throw new AppError('rate_limited', undefined, { retryAfter: nextIn });
  return await deps.db.transaction((tx) => issueInvitation(tx, deps, invitation, initiator));
}

/** Sends the invitation with this id again: a new link, and the old one is dead. Refuses like {@link invite}. */
export async function inviteAgain(
  deps: InvitationDeps,
  id: string,
  initiator: Initiator,
): Promise<CreatedInvitation> {
  const code = await deps.db('one_time_codes').where({ id, purpose: 'invite' }).whereNull('used_at').first();
  if (!code) throw new AppError('invitation_not_found');
  const { roles, permissions, tenant_id, expires_in } = readInvitation(deps, code);
  const again = { email: code.address ?? '', roles, permissions, tenant_id };
  return await invite(deps, { ...again, ...(expires_in === null ? {} : { expires_in }) }, initiator);
}

/** Withdraws an invitation: its link is dead. Refuses with `invitation_not_found`. */
export async function withdrawInvitation(db: Knex, id: string, initiator: Initiator): Promise<void> {
  await db.transaction(async (tx) => {
    const address_key =
      (await tx('one_time_codes').where({ id, purpose: 'invite' }).first())?.address_key ?? '';
    // Before any code is locked, as a new invitation of the address does, and read again under the lock.
    await lockInvitations(tx, address_key);
    if (!(await tx('one_time_codes').where({ id, purpose: 'invite' }).whereNull('used_at').first('id')))
      throw new AppError('invitation_not_found');
    await closeInvitations(tx, address_key);
    await recordEventOf(tx, initiator, { type: 'invitation_withdrawn', detail: { invitation_id: id } });
  });
}

/** The open invitations, expired ones among them, the newest first. Nothing in them opens a link. */
export async function listInvitations(
  { db, keyring }: Pick<InvitationDeps, 'db' | 'keyring'>,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<{ invitations: Invitation[]; next: string | null }> {
  const query = db('one_time_codes').where({ purpose: 'invite' }).whereNull('used_at').orderBy('id', 'desc');
  if (after !== undefined) query.where('id', '<', after);
  const found = await query.limit(limit + 1);
  const shown = found.slice(0, limit);
  const next = found.length > limit ? (shown.at(-1)?.id ?? null) : null;
  return {
    invitations: shown.map((code) => describeInvitation(code, readInvitation({ keyring }, code))),
    next,
  };
}

/** What lies in the code of an invitation. */
export function readInvitation(
  { keyring }: Pick<InvitationDeps, 'keyring'>,
  code: Pick<OneTimeCode, 'id' | 'payload'>,
): InvitationPayload {
  return payloadOf(keyring, code) as InvitationPayload;
}

function describeInvitation(
  code: OneTimeCode,
  { roles, permissions, tenant_id, inviter }: InvitationPayload,
) {
  const { id, address, created_at, expires_at } = code;
  return {
    ...{ id, email: address ?? '', roles, permissions, tenant_id },
    ...{ invited_by: inviter.id, created_at, expires_at },
  };
}

function requireInvitations({ config }: Pick<InvitationDeps, 'config'>): void {
  if (config.signUp === 'off') throw new AppError('not_found', 'Sign-up and invitations are turned off.');
}

async function issueInvitation(
  tx: Knex.Transaction,
  deps: InvitationDeps,
  { email, roles, permissions, tenant_id, expires_in }: NewInvitation,
  initiator: Initiator,
): Promise<CreatedInvitation> {
  const { keyring, config } = deps;
  const inviter = { id: initiator.actor_id ?? null };
  const payload = { roles, permissions, tenant_id, inviter, expires_in: expires_in ?? null };
  await lockInvitations(tx, addressKey(email));
  await closeInvitations(tx, addressKey(email));
  const issued = await issueCode(tx, keyring, {
    purpose: 'invite',
    address: email,
    payload,
    ...(expires_in === undefined ? {} : { linkTtl: expires_in }),
  });
  const row = await tx('one_time_codes').where({ id: issued.id }).first();
  if (!row) throw new AppError('invitation_not_found');
  const user = await findProvedUser(tx, email);
  const path = `/invitation/${issued.token}`;
  const isMailed = config.mail.smtpUrl !== null;
  if (isMailed) {
    const { created_at: at, expires_at } = row;
    const to = user?.email ?? email;
    await enqueueMail(tx, { kind: 'invite', to, isProved: false, path, at, expires_at });
  }
  const detail = { invitation_id: issued.id, roles, permissions, tenant_id };
  await recordEventOf(tx, initiator, { type: 'invitation_created', user_id: user?.id ?? null, detail });
  const url = isMailed ? null : `${config.issuer}${path}`;
  return { invitation: describeInvitation(row, payload), url, user_exists: user !== null };
}

// Lets two invitations of an address that are made at the same time replace one another. On SQLite one transaction writes at a time anyway.
async function lockInvitations(tx: Knex.Transaction, address_key: string): Promise<void> {
  if (isPostgres(tx))
    await tx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`invite ${address_key}`]);
}

// Makes the invitations of an address void, expired ones too.
async function closeInvitations(tx: Knex.Transaction, address_key: string): Promise<void> {
  await tx('one_time_codes')
    .where({ purpose: 'invite', address_key })
    .whereNull('used_at')
    .update({ used_at: present(tx) });
}
