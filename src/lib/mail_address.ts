// Addresses as a mail server gets them (RFC 5321, 4.1.2).
import { domainToASCII } from 'node:url';

// A dot-atom (RFC 5322, 3.2.3) with letters of any script (RFC 6531, 3.3): no quotes, comments, lists, routes or blanks.
const local = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const label = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i;

/** The longest local part and the longest address, octets (RFC 5321, 4.5.3.1). */
const longest = { local: 64, address: 254 };

/** The form of an address that is given to a mail server, its domain in ASCII; null when it is not a plain `local@domain`. */
export function envelopeAddress(address: string): string | null {
  const parts = address.split('@');
  const [name = '', domain = ''] = parts;
  if (parts.length !== 2 || !local.test(name) || Buffer.byteLength(name) > longest.local) return null;
  // A domain with a character that URLs treat in another way would come out as another domain.
  const ascii = /^[^\s\p{C}/?#:%@[\]\\]+$/u.test(domain) ? domainToASCII(domain) : '';
  const labels = ascii.split('.');
  if (labels.length < 2 || !labels.every((one) => label.test(one) && one.length <= 63)) return null;
  // Digits alone would be an IP address, which is not a domain.
  if (/^\d+$/.test(labels.at(-1) ?? '')) return null;
  const envelope = `${name}@${ascii}`;
  return Buffer.byteLength(envelope) > longest.address ? null : envelope;
}
