// The engine's browser session, made ours: what ends with it, and what it is when the engine forgot to keep it.
import { randomBytes } from 'node:crypto';
import { type Session as EngineSession, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { deleteRecord } from '../../core/engine_records/engine_records.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endBrowserSession, endOpenedIn } from '../../core/sessions/browser_sessions.ts';
import { digest } from '../../lib/crypto.ts';
import { fromEngine } from '../request/clocks.ts';
import { currentRequest } from '../request/context.ts';
import { browserSessionTtl } from '../request/login.ts';
import { setSessionCookie } from '../request/session_cookie.ts';
import { epochOfLogin, isLoginProved } from './interaction.ts';

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
}
type EngineModelClass = {
  new (payload?: object): EngineModel;
  IN_PAYLOAD: string[];
  verify: (stored: { loginTs?: number }, options?: object) => Promise<object>;
};

/** The subclass for the browser session: logging out there ends every session that was opened in it. */
export function browserSessionModel(deps: Deps, base: typeof EngineSession): typeof EngineSession {
  const Base = base as unknown as EngineModelClass;
  class Session extends Base {
    /** The handle under which it is stored; undefined as long as it is not. The adapter gives and takes it. */
    declare storedAs: string | undefined;
    /** Whether saving it has failed. */
    declare isRefused: boolean | undefined;
    /** The user's `session_epoch` at a login that is not stored yet. The adapter takes it. */
    declare sessionEpoch: number | undefined;

    static override get IN_PAYLOAD(): string[] {
      return [...Base.IN_PAYLOAD, 'storedAs', 'sessionEpoch'];
    }

    // Another user's login makes it another session, with a `uid` of its own: of several logins at once in one browser, all
    // would otherwise write it anew under the same.
    override loginAccount(details: { accountId: string }): void {
      if (details.accountId !== this.accountId && this.storedAs !== undefined) {
        this.storedAs = undefined;
        this.uid = randomBytes(16).toString('base64url');
      }
      this.sessionEpoch = epochOfLogin((Provider.ctx as KoaContextWithOIDC | undefined)?.oidc?.result);
      super.loginAccount(details);
    }

    /** Whether a stored one is still good; the engine asks wherever it finds one. Each use keeps it for at least a second. */
    static override async verify(stored: { loginTs?: number }, options?: object): Promise<object> {
      const ends = (stored.loginTs ?? Infinity) + deps.config.sessionAbsoluteTtl;
      if (ends <= Date.now() / 1000) throw new Error('the browser session has reached its absolute end');
      return await Base.verify.call(Session, stored, options);
    }

    /** When the user logged in, as tokens say it; the engine compares `loginTs` with its own clock. */
    override authTime(): number | undefined {
      const seconds = super.authTime();
      return seconds === undefined ? undefined : fromEngine(deps.clock, seconds);
    }

    override async destroy(): Promise<void> {
      const { accountId } = this;
      if (accountId) {
        const by = { reason: 'logout', actor: 'user', actor_id: accountId } as const;
        const ending = { ...by, source: requestSourceOf(currentRequest()) };
        const id = digest(this.uid);
        const { db } = deps;
        // One that is not stored any more may have left sessions behind all the same.
        if (!(await endBrowserSession(db, accountId, id, ending)))
          await endOpenedIn(db, accountId, id, ending);
      }
      await super.destroy();
    }

    // One that was stored is changed in its place, also under another id: who ended it while this request was under way
    // must not find it there again. The login of this very request is undone when its password was changed on the way.
    override async save(ttl: number): Promise<string> {
      if (this.storedAs !== undefined) this.oldId = undefined;
      this.isRefused = true;
      const saved = await super.save(ttl);
      this.isRefused = false;
      this.storedAs = this.jti;
      this.sessionEpoch = undefined;
      const { result } = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc ?? {};
      if (!(await isLoginProved(deps, result))) await deleteRecord(deps.db, 'Session', this.jti);
      return saved;
    }

    // A device form that is wrong is shown again with a fresh proof, which the engine puts into the browser session after
    // it was kept: of a browser that had none it never was, and the engine throws. Kept now, the form works.
    // One that was not kept since its network has too many is not kept here either.
    override async persist(): Promise<string> {
      if (this.isRefused) return this.jti;
      if (typeof this.exp === 'number') return await super.persist();
      const ctx = currentRequest();
      const ttl = browserSessionTtl(deps, this.loginTs);
      setSessionCookie(ctx.oidc.provider, ctx, this.jti, new Date(deps.clock.now() + ttl * 1000));
      return await this.save(ttl);
    }
  }
  return Session as unknown as typeof EngineSession;
}
