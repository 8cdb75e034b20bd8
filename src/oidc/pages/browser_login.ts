// The browser session outside of an authorization request: finds the user of a browser, logs a user in, clears the cookie.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import {
  deleteBrowserSession,
  updateBrowserSessionSource,
} from '../../core/engine_records/browser_session_records.ts';
import { isProved } from '../../core/passwords/credentials.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { isActive } from '../../core/users/active_users.ts';
import { findUser, type User } from '../../core/users/users.ts';
import { digest } from '../../lib/crypto.ts';
import { browserSessionTtl, passwordAcr } from '../request/login.ts';
import { setSessionCookie } from '../request/session_cookie.ts';

type EngineSession = Awaited<ReturnType<Provider['Session']['get']>>;

/** A user who is signed in in this browser. */
export interface Visitor {
  user: User;
  session: EngineSession;
  /** The digest of the browser session's `uid`, as stored in `sessions.browser_session`. */
  id: string;
}

/** The signed-in user of this browser; null when there is none, or when the user is no longer active. */
export async function findVisitor({ db }: Deps, provider: Provider, ctx: Context): Promise<Visitor | null> {
  const session = await provider.Session.get(ctx);
  const user = session.accountId ? await findUser(db, session.accountId) : null;
  if (!user || !(await isActive(db, user)) || !session.uid) return null;
  return { user, session, id: digest(session.uid) };
}

/**
 * Logs a user in under a new session id, which prevents session fixation. False when, meanwhile, the password was changed
 * or all sessions of the user were ended.
 */
export async function logInVisitor(
  deps: Deps,
  provider: Provider,
  ctx: Context,
  { user_id, proof, epoch }: { user_id: string; proof: string; epoch: number },
): Promise<boolean> {
  const { db } = deps;
  const session = await provider.Session.get(ctx);
  if (session.accountId && session.accountId !== user_id) session.authorizations = {};
  session.loginAccount({ accountId: user_id, acr: passwordAcr, amr: ['pwd'] });
  session.resetIdentifier();
  Object.assign(session, { sessionEpoch: epoch });
  const ttl = browserSessionTtl(deps, session.loginTs);
  setSessionCookie(provider, ctx, session.jti, new Date(deps.clock.now() + ttl * 1000));
  await session.save(ttl);
  if (!(await isProved(db, user_id, proof))) {
    await deleteBrowserSession(db, user_id, digest(session.uid ?? ''));
    return false;
  }
  await updateBrowserSessionSource(db, digest(session.uid ?? ''), requestSourceOf(ctx));
  return true;
}

/** Removes the session cookie. The browser session itself is ended in the database, by the caller. */
export function clearVisitorCookie(provider: Provider, ctx: Context): void {
  setSessionCookie(provider, ctx, null);
}
