// Every reason for the end of a session; the compiler refuses a list that lacks one.
import type { EndedReason } from '../../src/core/sessions/sessions.ts';

const named: Record<EndedReason, true> = {
  logout: true,
  ended_by_user: true,
  logout_all: true,
  device_removed: true,
  reuse_detected: true,
  token_revoked: true,
  code_reused: true,
  password_changed: true,
  password_set_by_admin: true,
  recovered: true,
  address_undone: true,
  not_me: true,
  cap_evicted: true,
  consent_withdrawn: true,
  ended_by_admin: true,
  user_banned: true,
  user_disabled: true,
  user_deleted: true,
  client_deleted: true,
  replaced: true,
  expired: true,
};

export const endedReasons = Object.keys(named) as EndedReason[];
