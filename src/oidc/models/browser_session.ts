// The engine's browser session, made ours: sessions opened in it end with it, a login whose password has changed meanwhile is
// undone, and the session is stored where the engine forgets to.
import { randomBytes } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endBrowserSession, endOpenedIn } from '../../core/sessions/browser_sessions.ts';
import { digest } from '../../lib/crypto.ts';
import { fromEngine } from '../request/clocks.ts';
import { currentRequest } from '../request/context.ts';
import { browserSessionTtl } from '../request/login.ts';
import { provedUser } from '../request/seen.ts';
import { setSessionCookie } from '../request/session_cookie.ts';
import { subclass } from '../request/subclass.ts';

interface EngineModel {
  jti: string;
  uid: string;
  accountId?: string;
  loginTs?: number;
  exp?: number;
  oldId?: string | undefined;
  persist(): Promise<string>;
  save(ttl: number): Promise<string>;
  destroy(): Promise<void>;
  authTime(): number | undefined;
  loginAccount(details: { accountId: string }): void;
  /** Whether it was changed since it was read or saved. */
  touched?: boolean;
  /** Ours: the handle under which it is stored, or undefined before it is stored. The adapter reads and sets it. */
  storedAs?: string | undefined;
  /** Ours: whether saving it was refused because its network has too many; then it is not stored later either. */
  isRefused?: boolean;
  /** Ours: the user's `session_epoch` at a login that is not stored yet. The adapter stores it. */
  sessionEpoch?: number | undefined;
}
type EngineModelClass = {
  new (payload?: object): EngineModel;
  IN_PAYLOAD: string[];
  verify: (stored: { loginTs?: number }, options?: object) => Promise<object>;
};

/** The subclass for the browser session. */
export function browserSessionModel(deps: Deps, base: Provider['Session']): Provider['Session'] {
  return subclass(
    base,
    (Base: EngineModelClass) =>
      class Session extends Base {
        static override get IN_PAYLOAD(): string[] {
          return [...Base.IN_PAYLOAD, 'storedAs', 'sessionEpoch'];
        }

        /** Verifies a stored browser session; the engine calls this whenever it finds one. */
        static override async verify(stored: { loginTs?: number }, options?: object): Promise<object> {
          requireBeforeEnd(deps, stored);
          return await Base.verify.call(Session, stored, options);
        }

        override loginAccount(details: { accountId: string }): void {
          becomeUsers(this, details.accountId);
          super.loginAccount(details);
        }

        /** The time of the login for tokens; the engine compares `loginTs` with its own clock. */
        override authTime(): number | undefined {
          const seconds = super.authTime();
          return seconds === undefined ? undefined : fromEngine(deps.clock, seconds);
        }

        override async destroy(): Promise<void> {
          await endSessionsOf(deps, this);
          await super.destroy();
        }

        override async save(ttl: number): Promise<string> {
          if (this.storedAs !== undefined) this.oldId = undefined;
          this.isRefused = true;
          const saved = await super.save(ttl);
          confirmSaved(this);
          return saved;
        }

        override async persist(): Promise<string> {
          if (this.isRefused) return this.jti;
          return typeof this.exp === 'number' ? await super.persist() : await storeForgotten(deps, this);
        }
      },
  );
}

// Checks the absolute end here, because each use extends the stored session by at least a second.
function requireBeforeEnd({ config }: Deps, { loginTs }: { loginTs?: number }): void {
  const endsAt = (loginTs ?? Infinity) + config.sessionAbsoluteTtl;
  if (endsAt <= Date.now() / 1000) throw new Error('the browser session has reached its absolute end');
}

// A login of another user makes a new browser session with its own `uid`. Otherwise several simultaneous logins in one browser
// would all store it under the same `uid`.
function becomeUsers(session: EngineModel, accountId: string): void {
  if (accountId !== session.accountId && session.storedAs !== undefined) {
    session.storedAs = undefined;
    session.uid = randomBytes(16).toString('base64url');
  }
  session.sessionEpoch = provedUser(accountId)?.session_epoch;
}

// Logging out at the browser session ends every session that was opened in it.
async function endSessionsOf({ db }: Deps, { accountId, uid }: EngineModel): Promise<void> {
  if (!accountId) return;
  const by = { reason: 'logout', actor: 'user', actor_id: accountId } as const;
  const ending = { ...by, source: requestSourceOf(currentRequest()) };
  const id = digest(uid);
  // A browser session that is no longer stored may have left live sessions behind.
  if (!(await endBrowserSession(db, accountId, id, ending))) await endOpenedIn(db, accountId, id, ending);
}

// A stored browser session is updated in place, even when its id changes. If it was ended during this request, it is therefore
// not stored again. The engine saves whatever was changed after a save once more, so these changes are none.
function confirmSaved(session: EngineModel): void {
  session.isRefused = false;
  session.storedAs = session.jti;
  session.sessionEpoch = undefined;
  session.touched = false;
}

// The engine shows a wrong device form again with a new CSRF token, which it adds to the browser session after storing it. For a
// browser without a stored session the engine would throw. The session is stored here instead, so that the form works.
async function storeForgotten(deps: Deps, session: EngineModel): Promise<string> {
  const ctx = currentRequest();
  const ttl = browserSessionTtl(deps, session.loginTs);
  setSessionCookie(ctx.oidc.provider, ctx, session.jti, new Date(deps.clock.now() + ttl * 1000));
  return await session.save(ttl);
}
