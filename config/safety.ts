// Settings that are each well formed and yet unsafe, or wrong together. What is refused here names its setting; what may be
// right in some place is a warning, which the start and `kindred doctor` say.
import { isIPv4 } from 'node:net';
import type { Settings } from './schema.ts';

/** The settings with the issuer that follows from them. */
export interface Examined {
  values: Settings;
  issuer: string;
  /** False where the environment is not one that exists; it then counts as `test`. */
  isKnownEnvironment: boolean;
}

/** What keeps the server from starting: one line for each setting, which begins with its name. */
export function findProblems(examined: Examined): string[] {
  return [
    ...unsafeInProduction(examined),
    ...unsafeOutsideOfProduction(examined),
    ...weakSecret(examined.values),
    ...contradictions(examined.values),
  ];
}

/** What is unusual enough to say at the start. */
export function findWarnings({ values, issuer }: Examined): string[] {
  const warnings: string[] = [];
  if (values.NODE_ENV === 'test') warnings.push('NODE_ENV: test leaves out what production checks');
  if (values.NODE_ENV !== 'production') return warnings;
  if (issuer.startsWith('https:') && values.TRUST_PROXY === 'off') {
    warnings.push(
      'TRUST_PROXY: is off behind an https issuer, so all users have the address of the proxy and share its limits',
    );
  }
  if (isLoopbackUrl(issuer)) {
    const hint = isLoopback(values.HOST) ? '' : `, and HOST=${values.HOST} lets others reach it without TLS`;
    warnings.push(`ISSUER: is a loopback address, which works on this machine alone${hint}`);
  }
  if (values.FETCH_PRIVATE_ADDRESSES) {
    warnings.push('FETCH_PRIVATE_ADDRESSES: clients can make this server send requests to private addresses');
  }
  for (const secret of values.KINDRED_SECRET?.slice(1) ?? []) {
    if (isPredictable(secret)) {
      warnings.push('KINDRED_SECRET: an older secret of the list is not random; remove it soon');
    }
  }
  return warnings;
}

/** Whether a host name means this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

function isLoopbackUrl(url: string): boolean {
  return isLoopback(new URL(url).hostname);
}

function unsafeInProduction({ values, issuer }: Examined): string[] {
  if (values.NODE_ENV !== 'production') return [];
  const problems = unsafeIssuer(values, issuer);
  if (!values.KINDRED_SECRET) problems.push('KINDRED_SECRET: is required in production');
  if (values.RATE_LIMITS === 'off') problems.push('RATE_LIMITS: off is refused in production');
  if (values.RATE_LIMITS === 'memory' && values.WORKERS !== 1) {
    problems.push('RATE_LIMITS: memory allows as much again in every worker; use database or redis://…');
  }
  const [failures = 0, , longest = 0] = values.LOCKOUT.split('/').map(Number);
  if (failures > 100 || longest < 60) {
    problems.push(
      'LOCKOUT: must begin after at most 100 failures and reach at least 60 seconds in production',
    );
  }
  return [...problems, ...unsafeProxy(values, issuer)];
}

function unsafeIssuer({ ISSUER, ALLOW_LOOPBACK_ISSUER }: Settings, issuer: string): string[] {
  if (isLoopbackUrl(issuer)) {
    if (ALLOW_LOOPBACK_ISSUER) return [];
    return ISSUER === undefined
      ? ['ISSUER: is required in production; it is the https URL under which users reach the server']
      : ['ISSUER: must not be a loopback address in production (to try it: ALLOW_LOOPBACK_ISSUER=true)'];
  }
  return issuer.startsWith('http:') ? ['ISSUER: must be https in production'] : [];
}

// TLS ends at a proxy, since the server itself does not speak it. Whether that proxy is to be believed must be said.
function unsafeProxy({ TRUST_PROXY }: Settings, issuer: string): string[] {
  if (TRUST_PROXY === undefined) {
    return issuer.startsWith('https:')
      ? ['TRUST_PROXY: is required in production: how many proxies stand in front, their addresses, or off']
      : [];
  }
  if (/^\d+$/.test(TRUST_PROXY) && Number(TRUST_PROXY) > 10) {
    return ['TRUST_PROXY: more than 10 proxies let every client choose its own address'];
  }
  const isWide = TRUST_PROXY.split(',').some(isWideNetwork);
  return isWide ? ['TRUST_PROXY: a network this wide lets every client choose its own address'] : [];
}

// The widest private networks are 10.0.0.0/8 and fc00::/7.
function isWideNetwork(text: string): boolean {
  const [address = '', prefix] = text.trim().split('/');
  return prefix !== undefined && Number(prefix) < (address.includes(':') ? 7 : 8);
}

// Development seeds a user whose password stands in README, so no other machine may reach it; tests check next to nothing.
function unsafeOutsideOfProduction({ values, issuer, isKnownEnvironment }: Examined): string[] {
  if (values.NODE_ENV === 'production' || !isKnownEnvironment) return [];
  const isDevelopment = values.NODE_ENV === 'development';
  const what = isDevelopment ? 'development seeds known passwords' : 'test leaves out what production checks';
  const hint = `${what}; set NODE_ENV=production`;
  const problems: string[] = [];
  if (!isLoopback(values.HOST)) problems.push(`HOST: must be a loopback address, ${hint}`);
  if (isDevelopment && !isLoopbackUrl(issuer)) problems.push(`ISSUER: must be a loopback address, ${hint}`);
  return problems;
}

// The first secret makes everything that is new. Older ones go on, or what they made could never be replaced.
function weakSecret({ KINDRED_SECRET: [first = ''] = [] }: Settings): string[] {
  return first !== '' && isPredictable(first)
    ? ['KINDRED_SECRET: must be random; "openssl rand -base64 32" makes one']
    : [];
}

// Few different characters, one part again and again, or characters in their order (abc…, 123…): none of it happens by
// chance, and 64 random hexadecimal digits are none of it.
function isPredictable(secret: string): boolean {
  if (new Set(secret).size < 12) return true;
  if (`${secret}${secret}`.indexOf(secret, 1) < secret.length) return true;
  const codes = Array.from(secret, (character) => character.charCodeAt(0));
  const steps = codes.filter((code, at) => Math.abs(code - (codes[at - 1] ?? -9)) === 1);
  return steps.length > secret.length / 2;
}

// SQLite lives on one machine, where memory counts as well; the library's limiter for it shares no transaction with ours.
function contradictions(values: Settings): string[] {
  const problems: string[] = [];
  if (values.RATE_LIMITS === 'database' && values.DATABASE_URL.startsWith('sqlite:')) {
    problems.push('RATE_LIMITS: database needs Postgres; with SQLite use memory');
  }
  // 0 too, whatever the machine: settings that are good on one core are to be good on two.
  if (values.WORKERS !== 1 && values.DATABASE_URL.startsWith('sqlite:')) {
    problems.push('WORKERS: more than one needs Postgres; SQLite serves one process');
  }
  if (values.DATABASE_DIRECT_URL && values.DATABASE_URL.startsWith('sqlite:')) {
    problems.push('DATABASE_DIRECT_URL: is for Postgres, and DATABASE_URL names a SQLite file');
  }
  if (values.MTLS_CERTIFICATE_HEADER && (values.TRUST_PROXY ?? 'off') === 'off') {
    problems.push('MTLS_CERTIFICATE_HEADER: anybody could send it; set TRUST_PROXY to the proxy that does');
  }
  if (values.REGISTRATION === 'token' && !values.REGISTRATION_TOKEN) {
    problems.push('REGISTRATION_TOKEN: is required with REGISTRATION=token');
  }
  return problems;
}
