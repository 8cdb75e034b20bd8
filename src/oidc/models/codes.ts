// Codes that stand for a login, made ours: each opens its session when it is issued and is good for one exchange.
import {
  type AuthorizationCode as EngineAuthorizationCode,
  type DeviceCode as EngineDeviceCode,
  errors,
} from 'oidc-provider';
import { AlreadyUsedError } from 'oidc-provider/lib/helpers/re_render_errors.js';
import { isConsented } from '../../core/actions/consents.ts';
import type { Client } from '../../core/clients/clients.ts';
import { keepDocumentClient } from '../../core/clients/document_clients.ts';
import type { Deps } from '../../core/deps.ts';
import { isBrowserSession } from '../../core/engine_records/browser_session_records.ts';
import { consumeRecord, useOnce } from '../../core/engine_records/single_use.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { type RequestSource, requestSourceOf } from '../../core/request_source.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { completeSession, openSession } from '../../core/sessions/open_session.ts';
import type { EndedReason, Session } from '../../core/sessions/sessions.ts';
import type { Db } from '../../core/store/db.ts';
import { digest } from '../../lib/crypto.ts';
import { networkOf } from '../../lib/network.ts';
import { clientRow, currentRequest } from '../request/context.ts';
import { limited } from '../request/errors.ts';
import { isLoginProved } from './interaction.ts';

/** Seconds beyond a code's own life for which its session waits for the exchange. */
const slack = 30;

// When and how the user logged in belongs into every ID token of the session.
const loginClaims = { auth_time: null, acr: null, amr: null };

interface EngineCode {
  jti: string;
  accountId?: string;
  clientId: string;
  grantId: string;
  sid?: string;
  sessionUid?: string;
  authTime?: number;
  amr?: string[];
  acr?: string;
  claims?: { id_token?: object };
  error?: string;
  inFlight?: boolean;
  deviceInfo?: { ip: string; ua: string };
  readonly remainingTTL: number;
  save(): Promise<string>;
}
type EngineCodeClass = new (payload: object) => EngineCode;
type EngineDeviceCodeClass = EngineCodeClass & {
  findByUserCode(userCode: string, options?: object): Promise<EngineCode | undefined>;
};

/** The subclass for `AuthorizationCode`. */
export function authorizationCodeModel(
  deps: Deps,
  base: typeof EngineAuthorizationCode,
): typeof EngineAuthorizationCode {
  const Base = base as unknown as EngineCodeClass;
  class AuthorizationCode extends Base {
    static async revokeByGrantId(): Promise<void> {}

    override async save(): Promise<string> {
      await openLogin(deps, this, requestSourceOf(currentRequest()));
      return await super.save();
    }

    async consume(): Promise<void> {
      await exchange(deps, 'AuthorizationCode', this);
    }
  }
  return AuthorizationCode as unknown as typeof EngineAuthorizationCode;
}

/** The subclass for `DeviceCode`: the login is the moment in which the user allows it on another device. */
export function deviceCodeModel(deps: Deps, base: typeof EngineDeviceCode): typeof EngineDeviceCode {
  const Base = base as unknown as EngineDeviceCodeClass;
  class DeviceCode extends Base {
    static async revokeByGrantId(): Promise<void> {}

    /** Counts what nobody was given by the address that typed it: a guess that hits would be a stranger's device. */
    static override async findByUserCode(
      userCode: string,
      options?: object,
    ): Promise<EngineCode | undefined> {
      const { userCode: limit } = deps.limits;
      const network = networkOf(requestSourceOf(currentRequest()).ip);
      const found = await limited(
        withLimit(limit, [network], () => Base.findByUserCode.call(DeviceCode, userCode, options)),
      );
      if (found) await limit.refund(network);
      return found;
    }

    #isClaimed = false;

    override async save(): Promise<string> {
      await this.#claim();
      const isAllowed = this.accountId !== undefined && this.error === undefined && this.sid === undefined;
      if (isAllowed) await openLogin(deps, this, deviceOrigin(this));
      return await super.save();
    }

    // The engine reads a code, changes it and saves it. Of two people who do so at once, one goes on: with the form in which
    // the code was typed, and with the answer.
    async #claim(): Promise<void> {
      if (this.jti === undefined || this.#isClaimed) return;
      const isAnswered = this.accountId !== undefined || (this.error !== undefined && this.inFlight === true);
      const model = isAnswered ? 'DeviceCodeAnswered' : 'DeviceCodeTyped';
      const ttl = Math.max(1, this.remainingTTL) + slack;
      if (!(await useOnce(deps.db, model, this.jti, ttl))) throw new AlreadyUsedError();
      this.#isClaimed = isAnswered;
    }

    async consume(): Promise<void> {
      await exchange(deps, 'DeviceCode', this);
    }
  }
  return DeviceCode as unknown as typeof EngineDeviceCode;
}

// A session of the device flow lives on the device that asked for it, not where it was allowed.
function deviceOrigin({ deviceInfo }: EngineCode): RequestSource {
  const { request_id } = requestSourceOf(currentRequest());
  return { ip: deviceInfo?.ip ?? null, user_agent: deviceInfo?.ua ?? null, request_id };
}

// Opened with the code and not with its exchange, so that a code which is used twice has something to end; until the
// exchange it lives no longer than the code.
async function openLogin(deps: Deps, code: EngineCode, source: RequestSource): Promise<void> {
  const { db, config } = deps;
  const { grant, client, session: browser } = currentRequest().oidc;
  const row = clientRow(client);
  if (!grant || !code.accountId) throw new Error('a code is issued without a login');
  code.sid = code.grantId;
  code.claims = { ...code.claims, id_token: { ...loginClaims, ...code.claims?.id_token } };
  await keepDocumentClient(db, row, source);
  const opened = await openSession(db, {
    id: code.grantId,
    user_id: code.accountId,
    client_id: row.client_id,
    device_id: null,
    grant_payload: { openid: grant.openid, resources: grant.resources },
    token_payload: { authTime: code.authTime, amr: code.amr, acr: code.acr },
    idle_ttl: code.remainingTTL + slack,
    absolute_ttl: row.session_absolute_ttl ?? config.sessionAbsoluteTtl,
    browser_session: browser?.uid ? digest(browser.uid) : null,
    source,
  });
  const reason = opened && (await overtakenBy(deps, opened, browser, row));
  if (opened && !reason) return;
  if (opened && reason) await endSession(db, opened.id, { reason, actor: 'system', actor_id: null, source });
  throw new errors.AccessDenied('the user may not log in any more');
}

// What has ended the login while its code was being made, or null. Asked after the session was opened: a change of the
// password, the end of the browser session and the withdrawal of the consent either are seen here, or see the session.
async function overtakenBy(
  deps: Deps,
  opened: Session,
  browser: object | undefined,
  { client_id, first_party }: Client,
): Promise<EndedReason | null> {
  const { db } = deps;
  const { user_id, grant_payload } = opened;
  if (!(await isLoginProved(deps, currentRequest().oidc.result))) return 'password_changed';
  if (!(await isStillSignedIn(db, user_id, browser))) return 'logout';
  if (!first_party && !(await isConsented(db, user_id, client_id, grant_payload))) return 'consent_withdrawn';
  return null;
}

// A login of this very request is stored with its answer.
async function isStillSignedIn(db: Db, user_id: string, browser: object | undefined): Promise<boolean> {
  const { uid, storedAs } = (browser ?? {}) as { uid?: string; storedAs?: string };
  return uid === undefined || storedAs === undefined || (await isBrowserSession(db, user_id, digest(uid)));
}

// Of several that exchange one code at once, one wins; the others end what it gave (RFC 6749, 4.1.2).
async function exchange(deps: Deps, model: string, code: EngineCode): Promise<void> {
  const { db, config } = deps;
  const ctx = currentRequest();
  const row = clientRow(ctx.oidc.client);
  if (code.error !== undefined) {
    await consumeRecord(db, model, code.jti);
    return;
  }
  if (!(await consumeRecord(db, model, code.jti))) {
    const ending = {
      reason: 'code_reused',
      actor: 'client',
      actor_id: row.client_id,
      source: requestSourceOf(ctx),
    } as const;
    await endSession(db, code.grantId, ending);
    throw new errors.InvalidGrant('the code has been used before');
  }
  const payload = { authTime: code.authTime, amr: code.amr, acr: code.acr };
  if (
    await completeSession(
      db,
      { id: code.grantId, grant_payload: {} },
      payload,
      row.session_idle_ttl ?? config.sessionIdleTtl,
    )
  )
    return;
  throw new errors.InvalidGrant('the session has ended');
}
