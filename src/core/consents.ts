// Consents: what a user has allowed a third-party client, remembered until it is withdrawn.
import type { Knex } from 'knex';
import { recordEvents } from './audit.ts';
import { type Db, json, present, rows } from './db.ts';
import { type Ending, endSessions } from './session_end.ts';
import { lockUser } from './users.ts';

/** Allowed scopes: those of the server itself, and per resource server. */
export interface Granted {
  openid: string[];
  claims: string[];
  resources: Record<string, string[]>;
}

export interface Consent {
  user_id: string;
  client_id: string;
  granted: Granted;
  created_at: Date;
  updated_at: Date;
}

export interface ListedConsent extends Consent {
  metadata: { client_name?: string; client_uri?: string; logo_uri?: string };
}

/** What this user has allowed this client, or null. */
export async function findConsent(db: Db, user_id: string, client_id: string): Promise<Consent | null> {
  return (await db<Consent>('consents').where({ user_id, client_id }).first()) ?? null;
}

/** All consents of a user, newest first, with what describes the client. */
export async function listConsents(db: Db, user_id: string): Promise<ListedConsent[]> {
  return await rows<ListedConsent>(
    db,
    `select c.*, cl.metadata from consents c join clients cl on cl.client_id = c.client_id
     where c.user_id = :user_id order by c.created_at desc limit 200`,
    { user_id },
  );
}

/** Adds to what a user has allowed a client; what was allowed before stays. Returns all of it. */
export async function addConsent(
  db: Db,
  user_id: string,
  client_id: string,
  added: Granted,
): Promise<Granted> {
  return await db.transaction(async (tx) => {
    await lockUser(tx, user_id);
    const before = await findConsent(tx, user_id, client_id);
    const granted = before ? merge(before.granted, added) : added;
    const now = present(tx);
    await tx('consents')
      .insert({ user_id, client_id, granted: json(granted), created_at: now, updated_at: now } as never)
      .onConflict(['user_id', 'client_id'])
      .merge(['granted', 'updated_at']);
    const detail = { granted: added };
    await recordEvents(tx, [
      { type: 'consent_given', user_id, client_id, actor: 'user', actor_id: user_id, detail },
    ]);
    return granted;
  });
}

/**
 * Withdraws a consent and ends the client's sessions of this user, in one transaction; null when there was none, else
 * how many ended.
 */
export async function withdrawConsent(
  db: Db,
  user_id: string,
  client_id: string,
  ending: Omit<Ending, 'reason'>,
): Promise<number | null> {
  return await db.transaction(async (tx: Knex.Transaction) => {
    await lockUser(tx, user_id);
    const removed = await tx('consents').where({ user_id, client_id }).delete();
    if (removed === 0) return null;
    const { actor, actor_id = null, origin } = ending;
    await recordEvents(tx, [{ type: 'consent_withdrawn', user_id, client_id, actor, actor_id, ...origin }]);
    const ended = await endSessions(tx, { user_id, client_id }, { ...ending, reason: 'consent_withdrawn' });
    return ended.length;
  });
}

function merge(before: Granted, added: Granted): Granted {
  const resources = { ...before.resources };
  for (const [identifier, scopes] of Object.entries(added.resources)) {
    resources[identifier] = union(resources[identifier], scopes);
  }
  return {
    openid: union(before.openid, added.openid),
    claims: union(before.claims, added.claims),
    resources,
  };
}

function union(a: string[] = [], b: string[] = []): string[] {
  return [...new Set([...a, ...b])];
}
