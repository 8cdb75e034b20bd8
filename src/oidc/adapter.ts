// The engine's storage: clients and grants come from our own tables, its short-lived records from `oidc_models` (record_adapter.ts).
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { deleteClient } from '../core/actions/delete_client.ts';
import { saveRegisteredClient } from '../core/clients/registered_clients.ts';
import type { Deps } from '../core/deps.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { endSession } from '../core/sessions/end_sessions.ts';
import type { SessionWithUser } from '../core/sessions/find_session.ts';
import { isOver } from '../core/sessions/live_session.ts';
import { engineMetadata, refusingMetadata, secretPlaceholder } from './endpoints/engine_metadata.ts';
import { recordAdapter } from './record_adapter.ts';
import { currentRequest, sessionOf } from './request/context.ts';
import { findKnownClient } from './request/known_clients.ts';

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
      const client = await findKnownClient(deps, id);
      if (!client || client.registered_by === 'document') return undefined;
      return engineMetadata(client, deps.keys.algs());
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
    // The engine destroys a grant whose code was used a second time, and the grants of a login that ends at its pages.
    async destroy(id) {
      const ctx = currentRequest();
      const { route, client } = ctx.oidc;
      const reason = route === 'token' ? 'code_reused' : 'token_revoked';
      const by = { actor: 'client', actor_id: client?.clientId ?? '', source: requestSourceOf(ctx) } as const;
      await endSession(deps.db, id, { reason, ...by });
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
