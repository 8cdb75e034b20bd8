// The limits of mail: how many mails with a code or link one mailbox gets, over all purposes and requesters, and how many requests
// for such mails one network makes.

import { RateLimiterRes } from 'rate-limiter-flexible';
import type { Allowance } from '../../../config/rate_limits.ts';
import { networkOf } from '../../lib/network.ts';
import { keyOf, type LimitStore } from './rate_limit_stores.ts';
import type { Limit } from './rate_limits.ts';

/** Whether a mailbox may get one more mail. */
export interface MailAllowance {
  isAllowed: boolean;
  /** Whether this is the last mail until {@link nextIn}; the mail then says so, and its link lives at least as long. */
  isLast: boolean;
  /** Seconds until the limit allows mails again. */
  nextIn: number;
}

export interface MailLimit {
  /** Counts one mail, unless there were too many. Never refuses: a request for a mail is answered in one way. */
  take: (...key: string[]) => Promise<MailAllowance>;
}

/** Opens the limit of one mailbox on counters of `store`. */
export function openMailLimit(store: LimitStore, { points, seconds }: Allowance): MailLimit {
  const limiter = store.open({ keyPrefix: 'mail', points, duration: seconds });
  return {
    async take(...key) {
      try {
        const { remainingPoints, msBeforeNext } = await limiter.consume(keyOf(key));
        return { isAllowed: true, isLast: remainingPoints <= 0, nextIn: Math.ceil(msBeforeNext / 1000) };
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        return { isAllowed: false, isLast: false, nextIn: Math.ceil(refusal.msBeforeNext / 1000) };
      }
    },
  };
}

/** Counts no mail. */
export const noMailLimit: MailLimit = {
  take: async () => ({ isAllowed: true, isLast: false, nextIn: 0 }),
};

/** A request for a mail with a code or link. */
export interface MailRequest {
  /**
   * The key of the mailbox. Where no mail goes out (an unknown user), {@link noMailbox} of what was typed: the request then costs the
   * same and counts for nobody's mailbox.
   */
  address_key: string;
  ip: string | null;
}

/** The key of a counter that belongs to no mailbox. */
export function noMailbox(typed: string): string {
  return ` ${typed}`;
}

/**
 * Counts one request for a mail with a code or link. Refuses with `rate_limited` when its network has asked too often. The limit of
 * the mailbox stops the mail alone: the caller then enqueues none, makes no code void, and answers as always. Notices and invitations
 * do not count.
 */
export async function takeMail(
  limits: { mail: MailLimit; mailAddress: Pick<Limit, 'consume'> },
  { address_key, ip }: MailRequest,
): Promise<MailAllowance> {
  await limits.mailAddress.consume(networkOf(ip));
  return await limits.mail.take(address_key);
}
