// Addresses outside the public internet: loopback, private, link-local and all others that IANA reserves for special purposes
// (RFC 6890 and its registries). A request to them for an unknown client would be server-side request forgery.
import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

const reserved = new BlockList();

const v4 = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
  192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
  203.0.113.0/24 224.0.0.0/4 240.0.0.0/4`;
// IPv4-mapped addresses (`::ffff:…`) are checked as IPv4; addresses that a gateway would translate are all refused.
const v6 = `::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48
  3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`;

for (const [family, networks] of [
  ['ipv4', v4],
  ['ipv6', v6],
] as const) {
  for (const network of networks.split(/\s+/)) {
    const [address = '', prefix] = network.split('/');
    reserved.addSubnet(address, Number(prefix), family);
  }
}

/** Whether the address is reserved. True for text that is no address. */
export function isReservedAddress(address: string): boolean {
  const [bare = ''] = address.split('%');
  const version = isIP(bare);
  return version === 0 || reserved.check(bare, version === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Resolves names as `dns.lookup` does, but fails for a name with any reserved address, so that no connection is made. Node does
 * not call it for hosts that are addresses already.
 */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, options, (error, found: string | LookupAddress[], family) => {
    const all = Array.isArray(found) ? found.map(({ address }) => address) : [found];
    const isRefused = !error && all.some(isReservedAddress);
    callback(isRefused ? new Error(`${hostname} has a reserved address`) : error, found, family);
  });
};
