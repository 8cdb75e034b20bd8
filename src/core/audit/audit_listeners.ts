// Listeners of the audit trail: each event becomes a line of the log and a count in the metrics.
import type { Knex } from 'knex';
import type { Log } from '../../lib/log.ts';
import type { Metrics, RefreshOutcome } from '../../lib/metrics.ts';
import { onAuditEvent } from './audit.ts';
import type { EventType, NewEvent } from './audit_events.ts';

/** Writes every event that is recorded through `db` as a log line with `security_event`. Returns a function that stops it. */
export function logEvents(db: Knex, log: Log): () => void {
  return onAuditEvent(db, (event) => {
    const { type, ...rest } = event;
    const level = levels[type] ?? 'info';
    if (!log.isLevelEnabled(level)) return;
    const known = Object.fromEntries(Object.entries(rest).filter(([, value]) => value != null));
    log[level]({ security_event: type, ...known }, 'security event');
  });
}

// Refreshes are routine: at `info` they would only repeat the line of their request.
const levels: Partial<Record<EventType, 'debug' | 'warn'>> = {
  refresh_token_rotated: 'debug',
  refresh_token_retried: 'debug',
  refresh_token_reused: 'warn',
  refresh_token_reuse_observed: 'warn',
  login_failed: 'warn',
  password_change_failed: 'warn',
  user_deletion_failed: 'warn',
  email_change_failed: 'warn',
  email_change_undone: 'warn',
  not_me_reported: 'warn',
  client_authentication_failed: 'warn',
};

/** Counts every event that is recorded through `db`. Returns a function that stops it. */
export function countEvents(db: Knex, metrics: Metrics): () => void {
  const observed = new Set<string>();
  return onAuditEvent(db, (event) => {
    metrics.countEvent(event.type);
    if (event.detail?.lockout === true) metrics.countLockout();
    if (event.type === 'login_failed') metrics.countFailedLogin(event.reason ?? 'unknown');
    const outcome = outcomes[event.type];
    if (outcome && !isRetryOfObserved(observed, event)) metrics.countRefresh(outcome);
  });
}

const outcomes: Partial<Record<EventType, RefreshOutcome>> = {
  refresh_token_rotated: 'rotated',
  refresh_token_retried: 'retried',
  refresh_token_reused: 'reused',
  refresh_token_reuse_observed: 'observed',
};

// Reuse that is only observed is answered like a retry, and both events are recorded; the one request counts once.
function isRetryOfObserved(observed: Set<string>, { type, request_id }: NewEvent): boolean {
  if (!request_id) return false;
  if (type === 'refresh_token_retried') return observed.delete(request_id);
  if (type === 'refresh_token_reuse_observed') {
    // Ids of requests that failed between the two events stay in the set.
    if (observed.size > 1_000) observed.clear();
    observed.add(request_id);
  }
  return false;
}
