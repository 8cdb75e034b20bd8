// The engine's memory of `jti` values, made ours: of several proofs or assertions with one `jti`, one is the first.
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { jtiHandle, replayModel, useOnce } from '../../core/engine_records/single_use.ts';
import { engineTolerance, nowInSeconds, toEngine } from '../request/clocks.ts';

/** The subclass for `ReplayDetection`; the database decides, so one of ten at once on several nodes succeeds. */
export function replayDetectionModel(
  deps: Deps,
  base: Provider['ReplayDetection'],
): Provider['ReplayDetection'] {
  return class ReplayDetection extends base {
    static override async unique(iss: string, jti: string, exp: number): Promise<boolean> {
      const now = nowInSeconds(deps.clock);
      const left = exp - Math.min(now, toEngine(deps.clock, now));
      // The engine gives a DPoP proof 300 s from now, but a proof dated 300 s ahead is accepted for twice as long.
      const ttl = Math.max(1, left) + engineTolerance + 1;
      return await useOnce(deps.db, replayModel, jtiHandle(iss, jti), ttl);
    }
  };
}
