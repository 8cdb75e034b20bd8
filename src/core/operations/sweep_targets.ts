// What the sweep removes: for each table, which rows are dead, and after which time. The order is that of the sweep.
import type { Knex } from 'knex';
import { firstIdOf } from '../../lib/ids.ts';
import type { Db } from '../store/db.ts';
import { plusSeconds } from '../store/sql_time.ts';
import { browserMemory } from '../users/known_devices.ts';

export const sweptTables = [
  'sessions',
  'oidc_models',
  'revoked_tokens',
  'rate_limits',
  'audit_events',
  'devices',
  'known_browsers',
  'one_time_codes',
  'clients',
  'outbox',
] as const;
export type SweptTable = (typeof sweptTables)[number];

export interface SweepTarget {
  table: SweptTable;
  /** An indexed column. The sweep walks the table in its order. */
  key: string;
  /** The walk begins after this value of the key. */
  from: Knex.RawBinding;
  /** The walk ends here: no row behind it can be dead. */
  until?: Knex.RawBinding;
  /** SQL that limits the walk to the rows of a partial index. */
  among?: string;
  /** SQL for the dead among the rows up to `until`; without it all of them are dead. */
  isDead?: string;
  bindings?: Record<string, Knex.RawBinding>;
}

/** Days for which an expired session or code and an ended session are kept, to tell its user or an operator why it is over. */
const keepExpired = 7;
const keepEnded = 30;
/** Days for which a device without any session is kept after its last login. */
const keepUnseen = 90;
/** Days for which a client that registered itself and is not used is kept after its last change. */
const keepUnused = 30;
/** Days for which a dead message is kept after it was written, for an operator; and for which a mail that is due waits where no node sends mail. */
const keepDead = 30;
const keepUnsent = 2;

/** The targets at `now`; `auditRetention` is in seconds. */
export function sweepTargets(db: Db, now: Date, auditRetention: number): SweepTarget[] {
  const ago = (days: number) => new Date(now.getTime() - days * 86_400_000);
  return [
    sessionTarget(db, ago),
    { table: 'oidc_models', key: 'expires_at', from: epoch, until: now },
    { table: 'revoked_tokens', key: 'expires_at', from: epoch, until: now },
    {
      table: 'rate_limits',
      key: 'key',
      from: '',
      isDead: 'expire <= :now',
      bindings: { now: now.getTime() },
    },
    {
      table: 'audit_events',
      key: 'id',
      from: firstIdOf(epoch),
      until: firstIdOf(new Date(now.getTime() - auditRetention * 1000)),
    },
    {
      table: 'devices',
      key: 'id',
      from: firstIdOf(epoch),
      until: firstIdOf(ago(keepUnseen)),
      isDead:
        'last_seen_at <= :unseen and not exists (select 1 from sessions s where s.device_id = devices.id)',
      bindings: { unseen: ago(keepUnseen) },
    },
    { table: 'known_browsers', key: 'last_used_at', from: epoch, until: ago(browserMemory) },
    // Kept for a while, to tell a used link from one that never was, and to count the wrong codes of a day.
    { table: 'one_time_codes', key: 'expires_at', from: epoch, until: ago(keepExpired) },
    clientTarget(ago),
    ...messageTargets(now, ago),
  ];
}

const epoch = new Date(0);

// A young session cannot have been dead for long, and ids sort by time: the walk along the ids ends at the sessions opened
// a week ago. So idle sessions need no index on `last_used_at`, which would make every rotation more expensive.
function sessionTarget(db: Db, ago: (days: number) => Date): SweepTarget {
  const expired = ago(keepExpired);
  return {
    table: 'sessions',
    key: 'id',
    from: firstIdOf(epoch),
    until: firstIdOf(expired),
    isDead: `(ended_at <= :ended or absolute_expires_at <= :expired or ${plusSeconds(db, 'last_used_at', 'idle_ttl')} <= :expired)`,
    bindings: { ended: ago(keepEnded), expired },
  };
}

function clientTarget(ago: (days: number) => Date): SweepTarget {
  return {
    table: 'clients',
    key: 'created_at',
    from: epoch,
    until: ago(keepUnused),
    among: "registered_by <> 'admin'",
    isDead: `updated_at <= :unused and blocked_at is null and deleted_at is null
        and not exists (select 1 from sessions s where s.client_id = clients.client_id)
        and not exists (select 1 from consents c where c.client_id = clients.client_id)`,
    bindings: { unused: ago(keepUnused) },
  };
}

// A message that was delivered is removed at once. The others are dead, or wait where no mail server is configured.
function messageTargets(now: Date, ago: (days: number) => Date): SweepTarget[] {
  return [
    {
      table: 'outbox',
      key: 'id',
      from: firstIdOf(epoch),
      until: firstIdOf(ago(keepDead)),
      among: "state = 'dead'",
    },
    {
      table: 'outbox',
      key: 'id',
      from: firstIdOf(epoch),
      among: "state = 'waiting'",
      isDead: "kind = 'mail' and (next_attempt_at <= :unsent or expires_at <= :now)",
      bindings: { unsent: ago(keepUnsent), now },
    },
  ];
}
