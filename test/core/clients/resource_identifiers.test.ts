// Which registered resource server an identifier in another spelling means.
import test from 'ava';
import { maxServers } from '../../../src/core/clients/client_cache.ts';
import { registeredIdentifier } from '../../../src/core/clients/resource_identifiers.ts';
import type { ResourceServer } from '../../../src/core/clients/resource_servers.ts';

const own = 'https://id.example/api';

/** The client cache with these resource servers. */
function cacheOf(identifiers: string[]): Map<string, ResourceServer> {
  const now = new Date();
  const rest = { access_token_format: 'jwt', access_token_typ: 'at+jwt', access_token_ttl: null } as const;
  const one = { name: null, scope: 'read', claims: null, ...rest, created_at: now, updated_at: now };
  return new Map(identifiers.map((identifier) => [identifier, { identifier, ...one }]));
}

test('another spelling means the registered one only where the client cache holds all resource servers', (t) => {
  const named = Array.from({ length: maxServers - 1 }, (_, at) => `https://api${at}.example`);
  const asked = 'https://API0.example:443/';
  t.is(registeredIdentifier(cacheOf(named), own, asked), 'https://api0.example');
  const full = cacheOf([...named, 'https://last.example']);
  t.is(registeredIdentifier(full, own, asked), asked, 'which may be registered as well, beyond the cache');
  t.is(registeredIdentifier(full, own, 'https://last.example'), 'https://last.example');
});
