// The engine's authorization code, made ours: it opens its session when it is issued and is good for one exchange.
import type { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { currentRequest } from '../request/context.ts';
import { exchange, openLogin } from './code_session.ts';

/** The subclass for `AuthorizationCode`. */
export function authorizationCodeModel(
  deps: Deps,
  base: Provider['AuthorizationCode'],
): Provider['AuthorizationCode'] {
  return class AuthorizationCode extends base {
    static override async revokeByGrantId(): Promise<void> {}

    override async save(): Promise<string> {
      await openLogin(deps, this, requestSourceOf(currentRequest()));
      return await super.save();
    }

    override async consume(): Promise<void> {
      await exchange(deps, 'AuthorizationCode', this);
    }
  };
}
