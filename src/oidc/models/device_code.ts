// The engine's device code, made ours: it opens its session when the user allows the device, and is good for one exchange.
import type { DeviceCode as EngineDeviceCode, Provider } from 'oidc-provider';
import { AlreadyUsedError } from 'oidc-provider/lib/helpers/re_render_errors.js';
import type { Deps } from '../../core/deps.ts';
import { useOnce } from '../../core/engine_records/single_use.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { type RequestSource, requestSourceOf } from '../../core/request_source.ts';
import { networkOf } from '../../lib/network.ts';
import { currentRequest } from '../request/context.ts';
import { asRateLimitError } from '../request/errors.ts';
import { exchange, exchangeSlack, openLogin } from './code_session.ts';

/** The subclass for `DeviceCode`: the login is the moment in which the user allows it on another device. */
export function deviceCodeModel(deps: Deps, base: Provider['DeviceCode']): Provider['DeviceCode'] {
  return class DeviceCode extends base {
    static override async revokeByGrantId(): Promise<void> {}

    /** Counts unknown user codes by the network that sent them: a right guess would be another user's device. */
    static override async findByUserCode(
      userCode: string,
      options?: object,
    ): Promise<EngineDeviceCode | undefined> {
      const { userCode: limit } = deps.limits;
      const network = networkOf(requestSourceOf(currentRequest()).ip);
      const found = await asRateLimitError(
        withLimit(limit, [network], () => base.findByUserCode.call(DeviceCode, userCode, options)),
      );
      if (found) await limit.refund(network);
      return found;
    }

    #isClaimed = false;

    override async save(): Promise<string> {
      await this.#claim();
      const isAllowed = this.accountId !== undefined && this.error === undefined && this.sid === undefined;
      if (isAllowed) await openLogin(deps, this, deviceSource(this));
      return await super.save();
    }

    // The engine reads a code, changes it and saves it. Of two users who do so simultaneously, only one continues: both
    // when the code is entered and when it is answered.
    async #claim(): Promise<void> {
      if (this.jti === undefined || this.#isClaimed) return;
      const isAnswered = this.accountId !== undefined || (this.error !== undefined && this.inFlight === true);
      const model = isAnswered ? 'DeviceCodeAnswered' : 'DeviceCodeTyped';
      const ttl = Math.max(1, this.remainingTTL) + exchangeSlack;
      if (!(await useOnce(deps.db, model, this.jti, ttl))) throw new AlreadyUsedError();
      this.#isClaimed = isAnswered;
    }

    override async consume(): Promise<void> {
      await exchange(deps, 'DeviceCode', this);
    }
  };
}

// A session of the device flow lives on the device that asked for it, not on the one where the user allowed it.
function deviceSource({ deviceInfo }: EngineDeviceCode): RequestSource {
  const { ip, ua } = (deviceInfo ?? {}) as { ip?: string; ua?: string };
  const { request_id } = requestSourceOf(currentRequest());
  return { ip: ip ?? null, user_agent: ua ?? null, request_id };
}
