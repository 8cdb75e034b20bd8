// The engine's short-lived records, which are stored in `oidc_models`: codes, interactions, browser sessions, pushed requests.
import { type Adapter, type AdapterPayload, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Deps } from '../core/deps.ts';
import {
  deleteRecord,
  type EngineRecord,
  findRecord,
  findRecordBySecondHandle,
  findSealedRecord,
} from '../core/engine_records/engine_records.ts';
import { saveRecord } from '../core/engine_records/save_record.ts';
import { sealedModels } from '../core/engine_records/sealed_records.ts';
import { consumeRecord } from '../core/engine_records/single_use.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { looksLikeRefreshToken } from '../core/sessions/refresh_token.ts';
import { countAnonymousRecord } from './request/anonymous_records.ts';
import { engineRecord, storedRecord } from './request/clocks.ts';
import { currentRequest, rememberSession } from './request/context.ts';
import { InteractionChanged, provedUser, rememberVersion, seenByRequest } from './request/seen.ts';

// Every record of the engine has a lifetime, seconds; this is the lifetime of one that comes without. The token by which a
// client manages its registration is an exception: it lives as long as the registration.
const maxAge = 86_400;

/** Times are stored by the database's clock, on which all nodes agree; the engine gets them by the clock of its machine. */
export function recordAdapter(deps: Deps, model: string): Adapter {
  const { db, clock, keyring } = deps;
  const asRecord = (stored: EngineRecord | null) => {
    if (stored) rememberVersion(stored.version);
    if (!stored || stored.is_expired) return undefined;
    const record = engineRecord(clock, stored.payload as AdapterPayload);
    if (model === 'Session') return { ...record, storedAs: record.jti };
    return { ...record, ...(stored.consumed_at ? { consumed: true } : {}) };
  };
  const findBySecond = async (handle: string) =>
    asRecord(await findRecordBySecondHandle(db, keyring, model, handle));
  return {
    upsert: async (id, payload, expiresIn) => await writeRecord(deps, model, id, payload, expiresIn),
    async find(handle) {
      if (looksLikeRefreshToken(handle)) return undefined;
      if (model === 'AuthorizationCode') return asRecord(await takeCode(deps, handle));
      if (!sealedModels.has(model)) return asRecord(await findRecord(db, model, handle));
      const found = await findSealedRecord(db, keyring, model, handle);
      if (model === 'Interaction' && found?.sealed !== undefined)
        seenByRequest().interaction = { id: handle, sealed: found.sealed };
      return asRecord(found);
    },
    // Codes have their own `consume`, so this is a pushed request: of two requests that use it at once, one gets a code
    // (RFC 9126, 4).
    async consume(id) {
      if (!(await consumeRecord(db, model, id)))
        throw new errors.InvalidRequestUri('The request_uri was used before.');
    },
    async destroy(id) {
      await deleteRecord(db, model, id);
    },
    // The tokens of a grant end with its session; revoking one access token must not revoke the others.
    async revokeByGrantId() {},
    findByUid: findBySecond,
    findByUserCode: findBySecond,
  };
}

async function writeRecord(
  deps: Deps,
  model: string,
  id: string,
  { storedAs, sessionEpoch, ...payload }: AdapterPayload,
  expiresIn: number | undefined,
): Promise<void> {
  const { db, clock, keyring } = deps;
  await countAnonymousRecord(deps, model, { ...payload, storedAs });
  // Our own pages save a browser session outside of the engine, and store its source themselves.
  const ctx = model === 'Session' ? Provider.ctx : undefined;
  const source = ctx ? requestSourceOf(ctx as KoaContextWithOIDC) : null;
  const proved = typeof sessionEpoch === 'number' ? provedUser(payload.accountId) : null;
  const { interaction } = seenByRequest();
  const replaces = model === 'Interaction' && interaction?.isReplaced && interaction.id === id;
  const isSaved = await saveRecord(db, keyring, {
    model,
    id,
    payload: storedRecord(clock, payload) as Record<string, unknown>,
    ttl: model === 'RegistrationAccessToken' ? null : (expiresIn ?? maxAge),
    ...(typeof storedAs === 'string' ? { storedAs } : {}),
    ...(typeof sessionEpoch === 'number' ? { session_epoch: sessionEpoch } : {}),
    ...(source ? { ip: source.ip, user_agent: source.user_agent } : {}),
    ...(replaces ? { replaces: interaction.sealed } : {}),
    ...(proved ? { proved: { ...proved, user_id: proved.id } } : {}),
  });
  if (replaces && !isSaved) throw new InteractionChanged();
  // The password was changed, or all sessions were ended, since it was typed: the login is undone.
  if (proved && !isSaved) await deleteRecord(db, model, typeof storedAs === 'string' ? storedAs : id);
}

// The code that was read together with the version of the client cache. The engine asks once; a further question is read again.
async function takeCode({ db }: Deps, handle: string): Promise<EngineRecord | null> {
  const seen = seenByRequest();
  const { code } = seen;
  if (code?.handle !== handle) return await findRecord(db, 'AuthorizationCode', handle);
  delete seen.code;
  if (code.session) rememberSession(currentRequest(), code.session);
  return code.record;
}
