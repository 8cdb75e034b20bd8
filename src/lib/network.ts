// IP addresses in the form in which they are compared and counted.
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** An IPv4 address of a dual-stack socket, as the operating system writes it. */
const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/**
 * The canonical form of an address: IPv6 in its shortest form without a zone, an IPv4-mapped address as IPv4. Null for text
 * that is no address.
 */
export function canonicalAddress(text: string): string | null {
  const [bare = ''] = text.split('%');
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return null;
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' });
  return mapped.exec(address)?.[1] ?? address;
}

/**
 * The network by which requests are counted: an IPv4 address itself, the /64 of an IPv6 address. Every customer of a
 * provider has at least a /64, so that counting single IPv6 addresses would limit nothing. The empty string for text that is
 * no address.
 */
export function networkOf(ip: string | null): string {
  const address = canonicalAddress(ip ?? '');
  if (address === null || isIPv4(address)) return address ?? '';
  return `${groupsOf(address).slice(0, 4).join(':')}::/64`;
}

// The eight groups of a canonical IPv6 address. An IPv4 address at its end stands for two of them.
function groupsOf(address: string): string[] {
  const [left = [], right = []] = address
    .replace(/[^:]+\.[^:]+$/, '0:0')
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  return [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
}
