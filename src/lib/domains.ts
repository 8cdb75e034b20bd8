// Domains as mail addresses name them. The same domain can be written in Unicode and, label by label, in ASCII (Punycode, RFC 5891,
// `xn--…`): one spelling is compared, the other one goes to mail servers.
import { domainToASCII, domainToUnicode } from 'node:url';

// What Node's functions read in another way than a mail server does: they decode `%41`, and take `1.2` for an IPv4 address.
const foreign = /[\0-,/:-@[-^`{-\x7f]|(^|\.)(\d+|0x[\da-f]*)\.?$/i;
// They drop these: `bücher\u00ad.example` would be another spelling that nobody sees.
const invisible = /\p{Default_Ignorable_Code_Point}/u;
const hasTwoSpellings = /[^\0-\x7f]|(^|\.)xn--/i;

/**
 * The one spelling that is compared: lower case, in Unicode (UTS 46, non-transitional). A text that is no domain is returned in lower
 * case. The caller has checked the length.
 */
export function domainKey(domain: string): string {
  const plain = domain.normalize('NFKC').toLowerCase().normalize('NFKC');
  if (!hasTwoSpellings.test(plain) || foreign.test(plain) || invisible.test(plain)) return plain;
  return domainToUnicode(domainToASCII(plain)).normalize('NFKC') || plain;
}

/** The ASCII spelling of a domain, for the envelope and the headers of a mail; null for what is no domain with at least two labels. */
export function asciiDomain(domain: string): string | null {
  const key = domainKey(domain);
  if (foreign.test(key) || invisible.test(key)) return null;
  const ascii = hasTwoSpellings.test(key) ? domainToASCII(key) : key;
  // RFC 1035, 2.3.4; an `xn--` that is left in the compared spelling is no Punycode.
  const isDomain = /^([a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?\.)+[a-z\d]([a-z\d-]{0,61}[a-z\d])$/.test(ascii);
  return isDomain && ascii.length <= 253 && !/(^|\.)xn--/.test(key) ? ascii : null;
}
