// The engine's ID token, made ours: its times are by the server's clock, and as a hint it is judged by the key that signed it.
import type { Client, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { splitScope } from '../../core/access_tokens/grantable_scopes.ts';
import type { KeyStore } from '../../core/keys/key_store.ts';
import type { Clock } from '../../core/store/clock.ts';
import { scopesInIdToken } from '../../token/id_token_claims.ts';
import { fromEngine, nowInSeconds } from '../request/clocks.ts';
import { clientRow } from '../request/context.ts';
import { keyOfHint } from '../request/id_token_hint.ts';
import { subclass } from '../request/subclass.ts';

interface EngineToken {
  scope?: string;
  client?: object;
  ctx?: KoaContextWithOIDC;
  payload(): Promise<Record<string, unknown>>;
  issue(given: { use: string; expiresAt?: number }): Promise<string>;
}
type EngineTokenClass = {
  new (...given: unknown[]): EngineToken;
  expiresIn(...given: unknown[]): number;
  validate(hint: string, client: Client): Promise<unknown>;
};

/**
 * The subclass for `IdToken`, which signs ID tokens, userinfo and introspection answers: `iat` and `exp` are right. The
 * engine adds a lifetime to its own time, so the lifetime includes the difference of the clocks. Of logout tokens only
 * `iat` can be corrected: their lifetime of two minutes is a constant of the engine. A hint was signed by the algorithm that the
 * client had at the time; it counts as absent when its key is gone.
 */
export function idTokenModel(
  { clock, keys }: { clock: Clock; keys: KeyStore },
  base: Provider['IdToken'],
): Provider['IdToken'] {
  return subclass(
    base,
    (Base: EngineTokenClass) =>
      class IdToken extends Base {
        static override expiresIn(...given: unknown[]): number {
          return fromEngine(clock, Base.expiresIn.apply(IdToken, given));
        }

        static override async validate(hint: string, client: Client): Promise<unknown> {
          const key = keyOfHint(keys, hint);
          if (key === 'gone') return undefined;
          const idTokenSignedResponseAlg = { value: key?.alg ?? client.idTokenSignedResponseAlg };
          return await Base.validate.call(
            IdToken,
            hint,
            Object.create(client, { idTokenSignedResponseAlg }) as Client,
          );
        }

        override async payload(): Promise<Record<string, unknown>> {
          return { ...(await super.payload()), iat: nowInSeconds(clock) };
        }

        override async issue({ use, expiresAt }: { use: string; expiresAt?: number }): Promise<string> {
          if (use === 'idtoken') this.scope = scopeOf(this);
          return await super.issue({
            use,
            ...(expiresAt ? { expiresAt: fromEngine(clock, expiresAt) } : {}),
          });
        }
      },
  );
}

// The engine has set all granted scopes.
function scopeOf({ scope, client, ctx }: EngineToken): string {
  const { aud } = (ctx?.oidc.entities.AccessToken ?? {}) as { aud?: string };
  return scopesInIdToken(clientRow(client), splitScope(scope), aud ?? null).join(' ');
}
