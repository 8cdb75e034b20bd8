// The engine's ID token, made ours: its times are by the server's clock.
import type { Provider } from 'oidc-provider';
import type { Clock } from '../../core/store/clock.ts';
import { fromEngine, nowInSeconds } from '../request/clocks.ts';
import { subclass } from '../request/subclass.ts';

interface EngineToken {
  payload(): Promise<Record<string, unknown>>;
  issue(given: { use: string; expiresAt?: number }): Promise<string>;
}
type EngineTokenClass = {
  new (...given: unknown[]): EngineToken;
  expiresIn(...given: unknown[]): number;
};

/**
 * The subclass for `IdToken`, which signs ID tokens, userinfo and introspection answers: `iat` and `exp` are right. The
 * engine adds a lifetime to its own time, so the lifetime includes the difference of the clocks. Of logout tokens only
 * `iat` can be corrected: their lifetime of two minutes is a constant of the engine.
 */
export function idTokenModel(clock: Clock, base: Provider['IdToken']): Provider['IdToken'] {
  return subclass(
    base,
    (Base: EngineTokenClass) =>
      class IdToken extends Base {
        static override expiresIn(...given: unknown[]): number {
          return fromEngine(clock, Base.expiresIn.apply(IdToken, given));
        }

        override async payload(): Promise<Record<string, unknown>> {
          return { ...(await super.payload()), iat: nowInSeconds(clock) };
        }

        override async issue({ use, expiresAt }: { use: string; expiresAt?: number }): Promise<string> {
          return await super.issue({
            use,
            ...(expiresAt ? { expiresAt: fromEngine(clock, expiresAt) } : {}),
          });
        }
      },
  );
}
