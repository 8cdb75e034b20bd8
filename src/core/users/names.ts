// Usernames and e-mail addresses: which are allowed, the key by which two of them count as the same, and the spelling that mail
// servers get. Every door reads names through this file.
import { z } from 'zod';
import { asciiDomain, domainKey } from '../../lib/domains.ts';
import { isOfOneScript, isPlainlyWritten } from '../../lib/scripts.ts';

/**
 * Longest name that is normalized, in UTF-16 code units. NFKC sorts runs of combining marks in quadratic time: 28,000 of
 * them take half a second. So the length is checked first.
 */
export const maxNameLength = 254;

/** Removes ASCII blanks, which copying leaves around a name. All other invisible characters are refused. */
export function withoutBlanks(name: string): string {
  return name.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '');
}

/**
 * The key that all spellings of one username share: without blanks around it, NFKC, lower-cased. A text longer than
 * {@link maxNameLength} is not a name and is returned unchanged.
 */
export function nameKey(name: string): string {
  if (name.length > maxNameLength) return name;
  return withoutBlanks(name).normalize('NFKC').toLowerCase().normalize('NFKC');
}

/**
 * The key that all spellings of one address share: as of a name, with the domain in Unicode. Plus tags and dots count, because only the
 * receiving server knows what they mean.
 */
export function addressKey(address: string): string {
  if (address.length > maxNameLength) return address;
  const key = nameKey(address);
  const at = key.lastIndexOf('@');
  return at === -1 ? key : `${key.slice(0, at)}@${domainKey(key.slice(at + 1))}`;
}

/** The key of what was typed as a login: of an address where it has an `@`, else of a username. */
export function loginKey(login: string): string {
  return isAddress(login) ? addressKey(login) : nameKey(login);
}

/** Whether a login means an address: a username has no `@` in any of its spellings. */
export function isAddress(login: string): boolean {
  return login.length <= maxNameLength && nameKey(login).includes('@');
}

/**
 * The keys under which the user of an address may be stored, the best first: as it was typed, the key, and the key of earlier versions
 * in ASCII. Rows of earlier versions have the domain as it was given.
 */
export function storedAddressKeys(address: string): string[] {
  const key = addressKey(address);
  const [local, domain] = partsOf(key);
  const ascii = asciiDomain(domain);
  return [...new Set([nameKey(address), key, ...(ascii === null ? [] : [`${local}@${ascii}`])])];
}

/** The address as mail servers get it, with the domain in ASCII; null for one that is no plain `local@domain`. */
export function envelopeAddress(address: string): string | null {
  const [local, domain] = partsOf(address);
  const ascii = asciiDomain(domain);
  return ascii !== null && isPlainLocalPart(local) ? `${local}@${ascii}` : null;
}

// RFC 5321, 4.1.2 (a dot-string) and 4.5.3.1.1, with RFC 6531. A quoted part or a comment would be read differently by others.
function isPlainLocalPart(local: string): boolean {
  return (
    /^[\w!#$%&'*+/=?^`{|}~\p{L}\p{M}\p{N}-]+(\.[\w!#$%&'*+/=?^`{|}~\p{L}\p{M}\p{N}-]+)*$/u.test(local) &&
    Buffer.byteLength(local) <= 64
  );
}

function partsOf(address: string): [local: string, domain: string] {
  const at = address.lastIndexOf('@');
  return [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
}

const invisible = 'must not contain invisible characters';

// Ranges of ASCII and Latin-1 for the patterns in the OpenAPI document: all but letters and digits; all that a name may not have; and all
// that stands between the dots of an address neither before nor after its @.
const ascii = {
  noLetter: '\\x00-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x9f',
  refused: '\\x00-\\x2c\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\x9f',
  notLocal: '\\x00-\\x20\\x22\\x28\\x29\\x2c\\x2e\\x3a-\\x3c\\x3e\\x40\\x5b-\\x5d\\x7f-\\xa0',
  noLabel: '\\x00-\\x2c\\x2e\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\xa0',
};

/**
 * A new username: 2 to 64 letters, digits, `.`, `_`, `-`, of one script, with at least one letter or digit. No `@`, so that
 * it is never mistaken for an address. Existing names are not checked again.
 */
export const username = z
  .string()
  .max(maxNameLength)
  .meta({
    description:
      '2 to 64 letters, digits, `.`, `_` or `-`, with at least one letter or digit, all of one script; compared without regard to case; blanks around it are removed',
    minLength: 2,
    // What can be said in every dialect: which ASCII characters are refused, and that dots and dashes alone are no name.
    pattern: `^[ \\x09]*[._-]*[^${ascii.noLetter}][^${ascii.refused}]*[ \\x09]*$`,
  })
  .transform((value) => withoutBlanks(value).normalize('NFKC'))
  .pipe(
    z
      .string()
      .regex(/^[\p{L}\p{M}\p{N}._-]{2,64}$/u, 'must be 2 to 64 letters, digits, dots, dashes or underscores')
      // Variation selectors count as marks and Hangul fillers as letters, and both are invisible.
      .regex(/^\P{Default_Ignorable_Code_Point}*$/u, invisible)
      .regex(/[\p{L}\p{N}]/u, 'must have a letter or a digit')
      .refine(isOfOneScript, 'must not mix letters or digits of different scripts')
      .refine(isPlainlyWritten, 'must not mix kinds of digits nor pile up marks'),
  );

/**
 * A new e-mail address, at most 254 characters: a plain `local@domain`, stored as it was given. The part before the `@` and each label
 * of the domain, whatever its spelling, follow the rules of scripts, each by itself: `müller@почта.рф` is allowed.
 */
export const email = z
  .string()
  .max(maxNameLength)
  .meta({
    description:
      'an e-mail address, a plain `local@domain`; the part before the `@` and each label of the domain are each of one script; compared without regard to case and to how the domain is written (Unicode or Punycode); blanks around it are removed',
    // Not the format `idn-email`, which has no blanks around it. The same for the characters of ASCII.
    pattern: `^[ \\x09]*[^${ascii.notLocal}]+(\\.[^${ascii.notLocal}]+)*@[^${ascii.noLabel}]+(\\.[^${ascii.noLabel}]+)+[ \\x09]*$`,
  })
  .transform((value) => withoutBlanks(value).normalize('NFKC'))
  .pipe(
    z
      .string()
      // Checked again, because NFKC turns one character into up to 18.
      .max(maxNameLength, { abort: true })
      .regex(/^[^\s@\p{C}]+@[^\s@\p{C}]+\.[^\s@\p{C}]+$/u, {
        error: 'must be an e-mail address',
        abort: true,
      })
      .refine((address) => isVisible(address) && isVisible(addressKey(address)), invisible)
      .refine((address) => (envelopeAddress(address)?.length ?? Infinity) <= maxNameLength, {
        error: 'must be a plain local@domain',
      })
      .refine(
        (address) => wordsOf(address).every(isOfOneScript),
        'must not mix letters or digits of different scripts',
      )
      .refine(
        (address) => wordsOf(address).every(isPlainlyWritten),
        'must not mix kinds of digits nor pile up marks',
      ),
  );

/**
 * What somebody typed to say who they are: a username or an address, which need not exist. Refused is what no user can have and no
 * person types by mistake.
 */
export const login = z
  .string()
  .min(1)
  // Longer than any name: what is merely wrong is answered as an unknown name.
  .max(320)
  .meta({
    description: 'a username or an e-mail address; blanks around it are removed',
    pattern: '^[ \\x09]*[^\\x00-\\x20\\x7f-\\xa0]*[ \\x09]*$',
  })
  .transform(withoutBlanks)
  .pipe(z.string().refine(isVisible, invisible));

// Blanks of other kinds count as invisible: a name that ends with one looks like the name without it.
function isVisible(name: string): boolean {
  return /^[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]*$/u.test(name);
}

// The parts that are each of one script.
function wordsOf(address: string): string[] {
  const [local, domain] = partsOf(addressKey(address));
  return [local, ...domain.split('.')];
}
