// The types of settings that several settings share or that need more than one check.
import { isIP } from 'node:net';
import { z } from 'zod';

/** Whole seconds. */
export const seconds = (fallback: number, max = 10 * 365 * 86_400) =>
  z.coerce.number().int().min(1).max(max).default(fallback);

/** A port; 0 lets the system choose. */
export const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);

/** `true`, `false`, `1` or `0`. */
export const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false', '1', '0'])
    .default(fallback ? 'true' : 'false')
    .transform((value) => value === 'true' || value === '1');

/** An issuer identifier (RFC 8414, 2). */
export const issuer = z
  .string()
  .refine(isIssuer, 'must be an http(s) URL without query, fragment or trailing slash');

/** The URL of a Postgres database. */
export const postgresUrl = z.string().regex(/^postgres(ql)?:\/\/.+$/, 'must be postgres://…');

/** The URL of a database. */
export const databaseUrl = z
  .string()
  .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, 'must be sqlite:<path> or postgres://…')
  .refine(
    (url) => url !== 'sqlite::memory:',
    'must name a file: each connection would have a memory of its own',
  )
  .default('sqlite:./data/kindred.sqlite');

/** One base64url secret of at least 32 bytes, or a comma list of them: the first signs and encrypts, all verify and decrypt. */
export const secrets = z.string().transform((value, check) => {
  const list = value.split(',').map((one) => one.trim());
  if (list.some((one) => !/^[A-Za-z0-9_+/-]{43,}={0,2}$/.test(one))) {
    check.addIssue(
      'each secret must be at least 32 bytes in base64url (43 characters); "openssl rand -base64 32" makes one',
    );
  } else if (list.some((one) => new Set(one).size < 10)) {
    check.addIssue('a secret must be random; this one has too few different characters');
  }
  return list.map((one) => one.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));
});

const signingAlg = z.enum(['ES256', 'RS256', 'PS256', 'EdDSA']);

/** A comma list of the algorithms by which the server signs, each once. */
export const signingAlgs = z.string().transform((value, check) => {
  const list = value.split(',').map((one) => signingAlg.safeParse(one.trim()));
  const named = [...new Set(list.flatMap(({ data }) => data ?? []))];
  const [first, ...others] = named;
  if (first && named.length === list.length) return [first, ...others] as const;
  check.addIssue(`must be a comma list of ${signingAlg.options.join(', ')}, each at most once`);
  return z.NEVER;
});

/** How many proxies to trust, or the addresses (CIDR allowed) of those that may set `X-Forwarded-*`. */
export const trustProxy = z
  .string()
  .regex(/^(off|\d{1,2}|[0-9a-fA-F.:/, ]+)$/, {
    error: 'must be off, a number of proxies, or a comma list of addresses',
    abort: true,
  })
  .refine(
    (value) => /^(off|\d{1,2})$/.test(value) || value.split(',').every((one) => isNetwork(one.trim())),
    'each address must be an IP address, or a network like 10.0.0.0/8',
  )
  .optional();

function isNetwork(text: string): boolean {
  const [, address = '', prefix = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128);
}

function isIssuer(value: string): boolean {
  const url = URL.parse(value);
  if (!url || !['http:', 'https:'].includes(url.protocol)) return false;
  return (
    !url.search &&
    !url.hash &&
    !url.username &&
    !value.endsWith('/') &&
    !value.endsWith('?') &&
    !value.endsWith('#')
  );
}
