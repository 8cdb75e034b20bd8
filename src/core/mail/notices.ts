// Notices: the mails that tell a user what has happened to the account, each with a link "this was not me". Enqueued in the
// transaction that causes them.
import type { Knex } from 'knex';
import { issueCode } from '../one_time_codes/one_time_codes.ts';
import { listFormerAddresses } from '../one_time_codes/reserved_addresses.ts';
import { outboxKeyring } from '../outbox/outbox.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';
import { readClock } from '../store/sql_time.ts';
import { addressKey } from '../users/names.ts';
import { displayName, type User } from '../users/users.ts';
import { enqueueMail, notices } from './mails.ts';

/** The kinds of notices; `NOTICES` turns off those of {@link notices}, the others are always sent. */
export type NoticeKind =
  | (typeof notices)[number]
  | 'email_changed'
  | 'password_set_by_admin'
  | 'recovery_link_created'
  | 'user_deleted';

// Keyed by the settings of the database handle, which its transactions share (as in outbox.ts). Without an entry there is no mail.
const sent = new WeakMap<object, ReadonlySet<string>>();

/** Sets which of the kinds that can be turned off are sent to the users of this database; null where no mail can be sent. */
export function setNotices(db: Knex, kinds: readonly string[] | null): void {
  if (kinds) sent.set(db.client.config, new Set(kinds));
  else sent.delete(db.client.config);
}

/** Whether notices of this kind are sent at all. No statement. */
export function sendsNotices(db: Db, kind: NoticeKind): boolean {
  const kinds = sent.get(db.client.config);
  if (!kinds) return false;
  return kinds.has(kind) || !notices.some((one) => one === kind);
}

export interface Notice {
  /** Texts of the mail beside the user's name, by the names that its kind knows. */
  facts?: Record<string, string>;
  source?: Pick<RequestSource, 'ip' | 'user_agent'> | undefined;
}

/**
 * Tells a user of something, in the transaction that causes it: at the verified address, and for seven days after a change of the
 * address at the former ones as well. `user` is the row before a deletion erases it. Nothing happens, and no statement runs, where the
 * kind is turned off or no mail can be sent.
 */
export async function enqueueNotice(
  tx: Knex.Transaction,
  user: Pick<User, 'id' | 'username' | 'email' | 'email_verified_at' | 'claims' | 'code_version'>,
  kind: NoticeKind,
  { facts = {}, source }: Notice = {},
): Promise<void> {
  if (!sendsNotices(tx, kind)) return;
  const to = await addressesOf(tx, user);
  if (to.length === 0) return;
  const at = await readClock(tx);
  for (const address of to) {
    await enqueueMail(tx, {
      kind,
      to: address,
      user_id: user.id,
      isProved: true,
      path: kind === 'user_deleted' ? null : await notMePath(tx, user, address),
      zoneinfo: user.claims?.zoneinfo,
      facts: { name: displayName(user), ...facts },
      ...(source ? { source: { ip: source.ip, user_agent: source.user_agent } } : {}),
      at,
    });
  }
}

async function addressesOf(
  tx: Knex.Transaction,
  { id, email, email_verified_at }: Pick<User, 'id' | 'email' | 'email_verified_at'>,
): Promise<string[]> {
  const former = await listFormerAddresses(tx, id);
  const present = email && email_verified_at ? [email] : [];
  const others = former.filter(({ address_key }) => !present.some((one) => addressKey(one) === address_key));
  return [...present, ...others.map(({ address }) => address)];
}

/** The path of a link by which the owner of a mailbox says that it was somebody else. `linkTtl` in seconds. */
export async function notMePath(
  tx: Knex.Transaction,
  user: Pick<User, 'id' | 'code_version'>,
  address: string,
  linkTtl?: number,
): Promise<string> {
  const ttl = linkTtl === undefined ? {} : { linkTtl };
  const { token } = await issueCode(tx, outboxKeyring(tx), { purpose: 'not_me', user, address, ...ttl });
  return `/not-me/${token}`;
}
