// The address of a request's client. Forwarded headers count only if a trusted proxy has set them.

import type { IncomingMessage } from 'node:http';
import proxyAddr from 'proxy-addr';
import type { Config } from '../../../config/index.ts';
import { canonicalAddress } from '../../lib/network.ts';

const forwardedHeaders = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'];

/**
 * Makes the function that returns the address of a request's client. It removes forwarded headers that no trusted proxy has set,
 * so that no later code can rely on them by mistake.
 */
export function createAddressReader({
  trustProxy,
  certificateHeader,
}: Pick<Config, 'trustProxy' | 'certificateHeader'>): (request: IncomingMessage) => string {
  const isTrusted = trustOf(trustProxy);
  const forwarded = [...forwardedHeaders, ...(certificateHeader ? [certificateHeader] : [])];
  return (request) => {
    const peer = canonicalAddress(request.socket.remoteAddress ?? '') ?? '';
    if (isTrusted(peer, 0)) return readChain(request, peer, isTrusted);
    // Only those that are present: V8 makes an object slow once a property was deleted.
    for (const name of forwarded) if (name in request.headers) delete request.headers[name];
    return peer;
  };
}

/** Whether the proxy at an address, `distance` hops away from us, is trusted. */
type Trust = (address: string, distance: number) => boolean;

function trustOf({ hops, addresses }: Config['trustProxy']): Trust {
  if (addresses.length === 0) return (_address, distance) => distance < hops;
  return proxyAddr.compile(addresses.flatMap(splitZeroPrefix));
}

// proxy-addr refuses a prefix of 0 bits, so such a network becomes two halves.
function splitZeroPrefix(network: string): string[] {
  const [address = '', prefix] = network.split('/');
  if (prefix !== '0') return [network];
  return address.includes(':') ? ['::/1', '8000::/1'] : ['0.0.0.0/1', '128.0.0.0/1'];
}

// Walks from the peer towards the client, up to the first hop that is not a trusted proxy. The walk also ends where a trusted proxy
// wrote something other than an address: the client may have written everything to the left of that.
function readChain(request: IncomingMessage, peer: string, isTrusted: Trust): string {
  const chain = proxyAddr.all(request, (hop, distance) => {
    if (distance === 0) return isTrusted(peer, 0);
    const address = readHop(hop);
    return address !== null && isTrusted(address, distance);
  });
  const last = chain.slice(1).map(readHop);
  return last.findLast((address) => address !== null) ?? peer;
}

/** The address in an entry of X-Forwarded-For, to which proxies add ports, brackets and quotes; null if there is none. */
function readHop(hop: string): string | null {
  const text = hop.trim().replace(/^"(.*)"$/, '$1');
  const [, address = text] =
    /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text) ?? /^([\d.]+):\d{1,5}$/.exec(text) ?? [];
  return canonicalAddress(address);
}
