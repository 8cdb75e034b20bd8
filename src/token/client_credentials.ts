// The grant `client_credentials` (RFC 6749, 4.4): a token for a client that acts for itself, at one resource server.
import { decideClientToken } from '../core/access_tokens/client_token_decision.ts';
import type { Deps } from '../core/deps.ts';
import { jtiValues } from '../core/engine_records/single_use.ts';
import { AppError } from '../lib/errors.ts';
import { issueClientToken } from './access_token.ts';
import { proofUsedBefore, requireBinding } from './binding.ts';
import { jtiTtl } from './dpop.ts';
import { type Grant, type GrantRequest, OutdatedClient } from './grant.ts';
import { findRequested, type RequestedServer, requestedScopes } from './requested.ts';

/** The parameters of the grant; only `resource` may be sent more than once. */
export const clientCredentialsParameters = ['scope', 'resource'];

/** Answers a request of `client_credentials`. The token belongs to no session; it lives as long as its client keeps its rights. */
export const clientCredentials: Grant = async (deps, request) => {
  const { config, audit } = deps;
  const { known, form, resources, source } = request;
  const { client } = known;
  const asking = { known, actsForItself: true };
  const servers = await findRequested(deps, asking, resources, form.scope);
  const scopes = requestedScopes(asking, form.scope, servers);
  const { identifier, server, scopes: offered } = requireOne(servers);
  const binding = requireBinding(deps, request);
  await decide(deps, request);
  const target = {
    resource: identifier,
    format: server?.access_token_format ?? ('jwt' as const),
    typ: server?.access_token_typ ?? ('at+jwt' as const),
    ttl: server?.access_token_ttl ?? client.access_token_ttl ?? config.accessTokenTtl,
    scope: scopes.filter((one) => offered.includes(one)).join(' '),
  };
  const access_token = await issueClientToken(deps, client, target, binding);
  const { client_id } = client;
  audit.add({ type: 'client_token_issued', client_id, actor: 'client', actor_id: client_id, ...source });
  return {
    access_token,
    expires_in: target.ttl,
    ...(target.scope ? { scope: target.scope } : {}),
    token_type: binding.jkt ? 'DPoP' : 'Bearer',
  };
};

function requireOne([server, ...others]: RequestedServer[]): RequestedServer {
  if (server && others.length === 0) return server;
  const description = 'only a single resource indicator value is supported for this grant type';
  throw new AppError('invalid_target', description);
}

// The last step, so that a refused request uses up no proof.
async function decide({ db }: Deps, { known, proof }: GrantRequest): Promise<void> {
  const { client, version } = known;
  const use = proof && !proof.isSpent ? jtiValues(client.client_id, proof.jti, jtiTtl) : null;
  const { is_current_version, is_first_use } = await decideClientToken(db, version, use);
  if (!is_first_use) throw proofUsedBefore();
  if (proof) proof.isSpent = true;
  if (!is_current_version) throw new OutdatedClient();
}
