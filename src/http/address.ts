// Where a request really comes from. Forwarded headers count only when a proxy that we trust has set them.

import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Config } from '../../config/index.ts';

const standard = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'];

/**
 * Makes the function that gives a request's client address and removes forwarded headers which nobody we trust has
 * set, so that nothing behind it can believe them by mistake.
 */
export function createAddressReader({
  trustProxy: trust,
  certificateHeader,
}: Pick<Config, 'trustProxy' | 'certificateHeader'>): (request: IncomingMessage) => string {
  const trusted = blockList(trust.addresses);
  const forwarded = [...standard, ...(certificateHeader ? [certificateHeader] : [])];
  return (request) => {
    const peer = plain(request.socket.remoteAddress ?? '');
    if (trust.hops > 0) {
      const chain = [...forwardedFor(request), peer];
      return chain.at(-1 - Math.min(trust.hops, chain.length - 1)) ?? peer;
    }
    if (trust.addresses.length > 0 && contains(trusted, peer))
      return [...forwardedFor(request), peer].findLast((one) => !contains(trusted, one)) ?? peer;
    // Only what is there: an object from which was deleted is slow to read ever after.
    for (const name of forwarded) if (name in request.headers) delete request.headers[name];
    return peer;
  };
}

function forwardedFor(request: IncomingMessage): string[] {
  const header = request.headers['x-forwarded-for'];
  const list = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .map((one) => plain(one.trim()));
  return list.filter((one) => isIP(one) !== 0);
}

function blockList(addresses: string[]): BlockList {
  const list = new BlockList();
  for (const address of addresses) {
    const [network = '', prefix] = address.split('/');
    const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

function contains(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

// An IPv4 peer of a dual-stack socket appears as ::ffff:192.0.2.1.
function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
