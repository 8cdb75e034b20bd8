// The engine's context of one request, made ours: URLs come from our provider, and parameters are bounded before any use.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { noteScope } from '../request/asked_scopes.ts';
import { dropStaleHint } from '../request/id_token_hint.ts';
import { rememberLogoutState } from '../request/logout_state.ts';
import { readAsMeant } from '../request/meant_parameters.ts';
import { requireModest } from '../request/parameters.ts';
import { subclass } from '../request/subclass.ts';

type EngineContextClass = new (
  ctx: object,
) => {
  route: string;
  ctx: Context;
  urlFor(name: string, options?: Record<string, unknown>): string;
};

/** The subclass for `OIDCContext`. */
export function oidcContextModel(
  deps: Deps,
  base: Provider['OIDCContext'],
  provider: Provider,
): Provider['OIDCContext'] {
  return subclass(
    base,
    (Base: EngineContextClass) =>
      class OIDCContext extends Base {
        #params: Record<string, unknown> | undefined;
        #session: unknown;

        override urlFor(name: string, options?: Record<string, unknown>): string {
          return provider.urlFor(name, options);
        }

        // The engine sets `session` at the endpoints of the browser.
        set session(session: unknown) {
          this.#session = session;
          rememberLogoutState(this, session);
        }

        get session(): unknown {
          return this.#session;
        }

        // The engine sets `params` once it has read them, at every endpoint that has any.
        set params(params: Record<string, unknown>) {
          this.#params = params;
          requireModest(this.route, params);
          readAsMeant(deps, this.ctx, this.route, params);
          dropStaleHint(deps.keys, params);
          noteScope(this, params.scope);
        }

        get params(): Record<string, unknown> | undefined {
          return this.#params;
        }
      },
  );
}
