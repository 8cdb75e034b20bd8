// The engine's storage: clients and grants come from our own tables, its short-lived records from `oidc_models`.
import { type Adapter, type AdapterPayload, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { deleteClient } from '../core/actions/delete_client.ts';
import { findClient } from '../core/clients/clients.ts';
import { saveRegisteredClient } from '../core/clients/registered_clients.ts';
import type { Deps } from '../core/deps.ts';
import {
  deleteRecord,
  type EngineRecord,
  findRecord,
  findRecordBySecondHandle,
  findSealedRecord,
  saveRecord,
} from '../core/engine_records/engine_records.ts';
import { sealedModels } from '../core/engine_records/sealed_records.ts';
import { consumeRecord } from '../core/engine_records/single_use.ts';
import { requestSourceOf } from '../core/request_source.ts';
import type { SessionWithUser } from '../core/sessions/find_session.ts';
import { isOver } from '../core/sessions/live_session.ts';
import { looksLikeRefreshToken } from '../core/sessions/refresh_token.ts';
import {
  engineMetadata,
  refusingMetadata,
  secretPlaceholder,
  signingAlgs,
} from './endpoints/engine_metadata.ts';
import { endSessionOfToken } from './models/refresh_token.ts';
import { countAnonymousRecord } from './request/anonymous_records.ts';
import { engineRecord, storedRecord } from './request/clocks.ts';
import { currentRequest, sessionOf } from './request/context.ts';

// Every record of the engine has a lifetime, seconds; this is the lifetime of one that comes without. The token by which a
// client manages its registration is an exception: it lives as long as the registration.
const maxAge = 86_400;

/** The adapter factory that the engine is configured with. */
export function createAdapter(deps: Deps): (model: string) => Adapter {
  return (model) => {
    if (model === 'Client') return clientAdapter(deps);
    if (model === 'Grant') return grantAdapter(deps);
    return recordAdapter(deps, model);
  };
}

function clientAdapter(deps: Deps): Adapter {
  const { db } = deps;
  return {
    ...unsupported('Client'),
    // The engine fetches a client that is described by its own document, and knows when to fetch it again.
    async find(id) {
      const client = await findClient(db, id);
      if (!client || client.blocked_at || client.registered_by === 'document') return undefined;
      return engineMetadata(client, signingAlgs(deps));
    },
    async upsert(id, metadata) {
      const ctx = currentRequest();
      const { client_secret, ...complete } = metadata as AdapterPayload & { client_secret?: string };
      const secret = client_secret === secretPlaceholder ? undefined : client_secret;
      const { scope } = ctx.state.metadata ?? {};
      try {
        const sent = { ...ctx.state.metadata, ...structureOf(complete) };
        const extra = { scope, secret, source: requestSourceOf(ctx) };
        ctx.state.registered = await saveRegisteredClient(db, id, sent, 'itself', extra);
      } catch (error) {
        throw refusingMetadata(error);
      }
    },
    async destroy(id) {
      await deleteClient(db, id, {
        actor: 'client',
        actor_id: id,
        source: requestSourceOf(currentRequest()),
      });
    },
  };
}

// Defaults of RFC 7591 are stored, because they never change. This server's own defaults are not: they change with its
// settings, and a client that named no value gets the new one.
function structureOf({ redirect_uris, grant_types, response_types, ...more }: AdapterPayload) {
  const { token_endpoint_auth_method } = more as { token_endpoint_auth_method?: string };
  return { redirect_uris, grant_types, response_types, token_endpoint_auth_method };
}

// The engine's Grant is a column of the session, so that one id serves as session, grant, family and `sid`.
function grantAdapter(deps: Deps): Adapter {
  return {
    ...unsupported('Grant'),
    async find(id) {
      const session = await sessionOf(currentRequest(), deps, id);
      return session && !isOver(session) ? grantPayload(session) : undefined;
    },
    // The engine destroys a grant for two reasons: its refresh token was revoked, or its code was used a second time.
    async destroy(id) {
      const { route, client } = currentRequest().oidc;
      await endSessionOfToken(
        deps,
        id,
        client?.clientId ?? '',
        route === 'token' ? 'code_reused' : 'token_revoked',
      );
    },
  };
}

// No `exp`: whether a session has expired is decided by the database's clock when it is read.
function grantPayload(session: SessionWithUser): AdapterPayload {
  return {
    ...session.grant_payload,
    jti: session.id,
    kind: 'Grant',
    accountId: session.user_id,
    clientId: session.client_id,
  } as AdapterPayload;
}

// Times are stored by the database's clock, on which all nodes agree; the engine gets them by the clock of its machine.
function recordAdapter(deps: Deps, model: string): Adapter {
  const { db, clock, keyring } = deps;
  const asRecord = (stored: EngineRecord | null) => {
    if (!stored || stored.is_expired) return undefined;
    const record = engineRecord(clock, stored.payload as AdapterPayload);
    if (model === 'Session') return { ...record, storedAs: record.jti };
    return { ...record, ...(stored.consumed_at ? { consumed: true } : {}) };
  };
  const findBySecond = async (handle: string) =>
    asRecord(await findRecordBySecondHandle(db, keyring, model, handle));
  return {
    async upsert(id, { storedAs, sessionEpoch, ...payload }, expiresIn) {
      await countAnonymousRecord(deps, model, { ...payload, storedAs });
      // Our own pages save a browser session outside of the engine, and store its source themselves.
      const ctx = model === 'Session' ? Provider.ctx : undefined;
      const source = ctx ? requestSourceOf(ctx as KoaContextWithOIDC) : null;
      await saveRecord(db, keyring, {
        model,
        id,
        payload: storedRecord(clock, payload) as Record<string, unknown>,
        ttl: model === 'RegistrationAccessToken' ? null : (expiresIn ?? maxAge),
        ...(typeof storedAs === 'string' ? { storedAs } : {}),
        ...(typeof sessionEpoch === 'number' ? { session_epoch: sessionEpoch } : {}),
        ...(source ? { ip: source.ip, user_agent: source.user_agent } : {}),
      });
    },
    async find(handle) {
      if (looksLikeRefreshToken(handle)) return undefined;
      const isSealed = sealedModels.has(model);
      return asRecord(
        await (isSealed ? findSealedRecord(db, keyring, model, handle) : findRecord(db, model, handle)),
      );
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

function unsupported(model: string): Adapter {
  const refuse = async () => {
    throw new Error(`the engine does not write ${model} records`);
  };
  return {
    upsert: refuse,
    find: refuse,
    findByUid: refuse,
    findByUserCode: refuse,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: async () => {},
  };
}
