// Where a request really comes from. Forwarded headers count only when a proxy that we trust has set them.

import type { IncomingMessage } from 'node:http';
import proxyAddr from 'proxy-addr';
import type { Config } from '../../../config/index.ts';
import { canonicalAddress } from '../../lib/network.ts';

const standard = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'];

/**
 * Makes the function that gives a request's client address and removes forwarded headers which nobody we trust has
 * set, so that nothing behind it can believe them by mistake.
 */
export function createAddressReader({
  trustProxy,
  certificateHeader,
}: Pick<Config, 'trustProxy' | 'certificateHeader'>): (request: IncomingMessage) => string {
  const isTrusted = trustOf(trustProxy);
  const forwarded = [...standard, ...(certificateHeader ? [certificateHeader] : [])];
  return (request) => {
    const peer = canonicalAddress(request.socket.remoteAddress ?? '') ?? '';
    if (isTrusted(peer, 0)) return readChain(request, peer, isTrusted);
    // Only what is there: an object from which was deleted is slow to read ever after.
    for (const name of forwarded) if (name in request.headers) delete request.headers[name];
    return peer;
  };
}

/** Whether the proxy at an address, so many hops away from us, is believed. */
type Trust = (address: string, distance: number) => boolean;

function trustOf({ hops, addresses }: Config['trustProxy']): Trust {
  if (addresses.length === 0) return (_address, distance) => distance < hops;
  return proxyAddr.compile(addresses.flatMap(halved));
}

// The library takes no prefix of 0 bits.
function halved(network: string): string[] {
  const [address = '', prefix] = network.split('/');
  if (prefix !== '0') return [network];
  return address.includes(':') ? ['::/1', '8000::/1'] : ['0.0.0.0/1', '128.0.0.0/1'];
}

// The walk from the peer towards the client ends at the first hop that is no trusted proxy. It also ends where a trusted
// proxy wrote something that is no address: what stands left of that may have been written by the client itself.
function readChain(request: IncomingMessage, peer: string, isTrusted: Trust): string {
  const chain = proxyAddr.all(request, (hop, distance) => {
    if (distance === 0) return isTrusted(peer, 0);
    const address = readHop(hop);
    return address !== null && isTrusted(address, distance);
  });
  const last = chain.slice(1).map(readHop);
  return last.findLast((address) => address !== null) ?? peer;
}

/** An entry of X-Forwarded-For: proxies add ports, brackets and quotes to addresses. Null when it is no address. */
function readHop(hop: string): string | null {
  const text = hop.trim().replace(/^"(.*)"$/, '$1');
  const [, address = text] =
    /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text) ?? /^([\d.]+):\d{1,5}$/.exec(text) ?? [];
  return canonicalAddress(address);
}
