// The spellings of a resource server's identifier: a client may send one that differs from the registered one only in ways that URIs
// do not distinguish. The registered spelling is what tokens and sessions have.
import { maxServers } from './client_cache.ts';
import type { ResourceServer } from './resource_servers.ts';

const defaultPorts: Record<string, string> = { http: '80', https: '443' };

/**
 * A URI with an authority in the normal form of RFC 3986, 6.2.2.1 and 6.2.3: scheme and host in lower case, no default port, and `/` for
 * an empty path. Paths and queries are compared exactly. Null for any other string.
 */
export function normalIdentifier(identifier: string): string | null {
  const [, scheme = '', authority, rest = ''] =
    /^([a-z][a-z\d+.-]*):\/\/([^/?#@\s]+)([/?].*)?$/is.exec(identifier) ?? [];
  if (authority === undefined) return null;
  const [, host = '', port = ''] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? [];
  const kept = port === '' || port === defaultPorts[scheme.toLowerCase()] ? '' : `:${port}`;
  return `${scheme}://${host}`.toLowerCase() + kept + (rest.startsWith('/') ? rest : `/${rest}`);
}

type Servers = ReadonlyMap<string, ResourceServer>;

// By normal form; null where several identifiers have the same.
const known = new WeakMap<Servers, Map<string, string | null>>();

/**
 * The registered identifier that a client means by `asked`: `asked` itself, or else the only one that is equivalent to it. `own` is
 * our own API, which need not be registered; `servers` are those of the client cache.
 */
export function registeredIdentifier(servers: Servers, own: string, asked: string): string {
  // Where the cache does not hold all, `asked` itself may be registered too.
  if (asked === own || servers.has(asked) || servers.size >= maxServers) return asked;
  const normal = normalIdentifier(asked);
  if (normal === null) return asked;
  const forms = known.get(servers) ?? formsOf([own, ...servers.keys()]);
  known.set(servers, forms);
  return forms.get(normal) ?? asked;
}

function formsOf(identifiers: string[]): Map<string, string | null> {
  const forms = new Map<string, string | null>();
  for (const one of new Set(identifiers)) {
    const normal = normalIdentifier(one);
    if (normal !== null) forms.set(normal, forms.has(normal) ? null : one);
  }
  return forms;
}
