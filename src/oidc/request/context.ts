// The state of one request to the engine: its session and its client.
import Provider, { type KoaContextWithOIDC } from 'oidc-provider';
import type { Client } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import { findSession, type SessionWithUser } from '../../core/sessions/find_session.ts';
import { parseId } from '../../lib/ids.ts';

type Context = KoaContextWithOIDC;

interface Memory {
  session?: SessionWithUser;
}

const memories = new WeakMap<object, Memory>();

/** The request that is being answered; the engine calls models and adapter without passing it. */
export function currentRequest(): Context {
  const ctx = Provider.ctx;
  if (!ctx) throw new Error('the engine called a model outside a request');
  return ctx as Context;
}

/** Keeps a session for the rest of the request, so that its grant and account need no further SELECT. */
export function rememberSession(ctx: Context, session: SessionWithUser): void {
  memories.set(ctx, { ...memories.get(ctx), session });
}

/** The session of this id: the one that the request has already read, or from the database. */
export async function sessionOf(ctx: Context, deps: Deps, id: unknown): Promise<SessionWithUser | null> {
  const known = memories.get(ctx)?.session;
  if (known && known.id === id) return known;
  const session = parseId(id) ? await findSession(deps.db, id as string) : null;
  if (session) rememberSession(ctx, session);
  return session;
}

/** The session that the request has read, without asking the database. */
export function knownSession(ctx: Context): SessionWithUser | null {
  return memories.get(ctx)?.session ?? null;
}

/** Our row of the client that the engine has authenticated. */
export function clientRow(client: unknown): Client {
  return (client as { kindred: Client }).kindred;
}
