// Which claims an ID token carries at the token endpoint (OpenID Connect Core 1.0, 5.4).
import type { Client } from '../core/clients/clients.ts';

/**
 * The scopes whose claims an ID token carries, of those that were granted. The client's `id_token_claims` decides. By default a
 * third-party web client gets all of them, because the libraries of such clients look for name and address there; any other client
 * only with an access token for a resource server, `resource`.
 */
export function scopesInIdToken(client: Client, granted: string[], resource: string | null): string[] {
  const { id_token_claims = isThirdPartyWeb(client) || resource !== null } = client.metadata;
  return id_token_claims ? granted : granted.filter((scope) => scope === 'openid');
}

// A client with loopback addresses that names no type may be a web application on the machine of its developer.
function isThirdPartyWeb({ first_party, metadata }: Client): boolean {
  return !first_party && metadata.application_type !== 'native';
}
