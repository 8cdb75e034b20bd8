// The engine's client, made ours: secrets are compared by their digests, grants are bounded by our row, and a client whose
// metadata document is out of reach keeps its sessions.
import { type Client as EngineClient, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { isVouchedGrant } from '../../core/clients/client_rules.ts';
import { acceptsSecret } from '../../core/clients/client_secrets.ts';
import type { Client } from '../../core/clients/clients.ts';
import { isDocumentId } from '../../core/clients/document_clients.ts';
import type { Deps } from '../../core/deps.ts';
import { authorizationOf } from '../../token/client_authorization.ts';
import { requireClientBudget } from '../../token/client_failures.ts';
import { takeOverDelivery } from '../endpoints/backchannel_logout.ts';
import { isFetchFailure, storedMetadata } from '../endpoints/document_clients.ts';
import { clientRow, currentRequest } from '../request/context.ts';
import { asRateLimitError } from '../request/errors.ts';
import { findKnownClient } from '../request/known_clients.ts';
import { documentUnavailable, type Outgoing } from '../request/outgoing.ts';

type EngineClientClass = Provider['Client'];

/** Changes the class `Client` in place, because the engine creates clients only from its own class. */
export function clientModel(deps: Deps, outgoing: Outgoing, Client: EngineClientClass): EngineClientClass {
  findWithStaleDocuments(deps, outgoing, Client);
  takeOverDelivery(Client.prototype);
  compareByDigest(deps, Client.prototype);
  boundGrants(Client.prototype);
  withdrawManagement(Client.prototype);
  return Client;
}

// Sessions of a client that is described by a document go on by its stored metadata: the document is read again once an hour, and
// its host may be away, or publish something else there. Where the document itself is needed, a failed fetch is no fault of the client.
function findWithStaleDocuments(deps: Deps, outgoing: Outgoing, Client: EngineClientClass): void {
  const find = findOnce(deps, Client);
  Client.find = async (id) => {
    // A list where the parameter came twice at the end of a sign-out.
    if (typeof id !== 'string' || !isDocumentId(id)) return await find(id);
    const stored = storedMetadata(deps, await findKnownClient(deps, id));
    const findStored = () => Reflect.construct(Client, [stored]);
    if (stored && !outgoing.isDue(id)) return findStored();
    try {
      return await find(id);
    } catch (error) {
      const isOutOfReach = isFetchFailure(error);
      if (stored && (isOutOfReach || error instanceof errors.InvalidClientMetadata)) return findStored();
      throw isOutOfReach ? documentUnavailable() : error;
    }
  };
}

// The engine makes a client of its metadata, or finds the one that it has made by their digest, which takes longer than everything
// else. Here it is found by the row in the client cache.
function findOnce(deps: Deps, Client: EngineClientClass): EngineClientClass['find'] {
  const { find } = Client;
  const made = new WeakMap<Client, EngineClient>();
  return async (id) => {
    const row = typeof id === 'string' ? await findKnownClient(deps, id) : undefined;
    const known = row && made.get(row);
    if (known) return known;
    const client = await find.call(Client, id);
    if (row && client && row.registered_by === 'admin') made.set(row, client);
    return client;
  };
}

function compareByDigest(deps: Deps, prototype: EngineClient): void {
  prototype.compareClientSecret = async function (this: EngineClient, presented: string) {
    const row = clientRow(this);
    const ctx = currentRequest();
    await asRateLimitError(requireClientBudget(deps, ctx, row.client_id));
    // The header does not tell whether a secret is form-encoded. Each is compared, so that the time does not tell which is right.
    const { rawSecret } = authorizationOf(ctx);
    const matches = [presented, ...(rawSecret === undefined ? [] : [rawSecret])].map((one) =>
      acceptsSecret(deps, row, one),
    );
    return matches.includes(true);
  };
}

function boundGrants(prototype: EngineClient): void {
  const { grantTypeAllowed } = prototype;
  prototype.grantTypeAllowed = function (this: EngineClient, type: string) {
    // Enforced here as well, whatever the client's document says or a node of an earlier version wrote.
    const isVouched = (rowOf(this)?.registered_by ?? 'admin') === 'admin';
    const isAllowed = grantTypeAllowed.call(this, type) && (isVouched || !isVouchedGrant(type));
    const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
    // The engine would answer invalid_request; RFC 6749 has a code for this (section 5.2).
    if (!isAllowed && ctx?.oidc.route === 'token' && ctx.oidc.params?.grant_type === type) {
      throw new errors.UnauthorizedClient('The client may not use this grant type.');
    }
    return isAllowed;
  };
}

// A client that an administrator vouches for can no longer be changed by its owner (RFC 7592).
function withdrawManagement(prototype: EngineClient): void {
  Object.defineProperty(prototype, 'noManage', {
    get(this: EngineClient) {
      return rowOf(this)?.registered_by === 'admin';
    },
  });
}

// A client that is being registered has no row yet.
function rowOf(client: EngineClient): Partial<Client> | undefined {
  return client.kindred as Partial<Client> | undefined;
}
