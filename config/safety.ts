// Checks settings that are well formed but unsafe, or that contradict each other. A problem stops the start; a setting that is
// right for some deployments only is a warning, shown at the start and by `kindred doctor`. Each text begins with its setting.
import { isIPv4 } from 'node:net';
import type { Settings } from './schema.ts';

/** The settings with the issuer that follows from them. */
export interface Examined {
  values: Settings;
  issuer: string;
  /** False when NODE_ENV has an unknown value; it is then treated as `test`. */
  isKnownEnvironment: boolean;
}

/** The problems that prevent the start: one line for each setting, beginning with its name. */
export function findProblems(examined: Examined): string[] {
  return [
    ...unsafeInProduction(examined),
    ...unsafeOutsideOfProduction(examined),
    ...weakSecret(examined.values),
    ...contradictions(examined.values),
  ];
}

/** The warnings about unusual settings, for the log of the start. */
export function findWarnings({ values, issuer }: Examined): string[] {
  const warnings: string[] = [];
  if (values.NODE_ENV === 'test') warnings.push('NODE_ENV: test skips the checks of production');
  if (values.NODE_ENV !== 'production') return warnings;
  if (issuer.startsWith('https:') && values.TRUST_PROXY === 'off') {
    warnings.push(
      'TRUST_PROXY: is off behind an https issuer, so all users appear with the address of the proxy and share its rate limits',
    );
  }
  if (isLoopbackUrl(issuer)) {
    const hint = isLoopback(values.HOST) ? '' : `, and HOST=${values.HOST} lets others reach it without TLS`;
    warnings.push(`ISSUER: is a loopback address, which only this machine can reach${hint}`);
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
  if (values.RATE_LIMITS === 'off') problems.push('RATE_LIMITS: must not be off in production');
  if (values.RATE_LIMITS === 'memory' && values.WORKERS !== 1) {
    problems.push('RATE_LIMITS: memory counts in each worker separately; use database or redis://…');
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
      ? ['ISSUER: is required in production: the https URL under which users reach the server']
      : [
          'ISSUER: must not be a loopback address in production (ALLOW_LOOPBACK_ISSUER=true allows it for a trial)',
        ];
  }
  return issuer.startsWith('http:') ? ['ISSUER: must be https in production'] : [];
}

// The server does not speak TLS, so an https issuer means a proxy; the operator must say whether its headers are trusted.
function unsafeProxy({ TRUST_PROXY }: Settings, issuer: string): string[] {
  if (TRUST_PROXY === undefined) {
    return issuer.startsWith('https:')
      ? ['TRUST_PROXY: is required in production: the number of proxies in front, their addresses, or off']
      : [];
  }
  if (/^\d+$/.test(TRUST_PROXY) && Number(TRUST_PROXY) > 10) {
    return ['TRUST_PROXY: more than 10 proxies would let clients forge their address'];
  }
  const isWide = TRUST_PROXY.split(',').some(isWideNetwork);
  return isWide ? ['TRUST_PROXY: a network this wide would let clients forge their address'] : [];
}

// The widest private networks are 10.0.0.0/8 and fc00::/7.
function isWideNetwork(text: string): boolean {
  const [address = '', prefix] = text.trim().split('/');
  return prefix !== undefined && Number(prefix) < (address.includes(':') ? 7 : 8);
}

// Development creates a user whose password is in README, and test checks little, so no other machine may reach them.
function unsafeOutsideOfProduction({ values, issuer, isKnownEnvironment }: Examined): string[] {
  if (values.NODE_ENV === 'production' || !isKnownEnvironment) return [];
  const isDevelopment = values.NODE_ENV === 'development';
  const risk = isDevelopment
    ? 'development creates users with known passwords'
    : 'test skips the checks of production';
  const hint = `${risk}; set NODE_ENV=production`;
  const problems: string[] = [];
  if (!isLoopback(values.HOST)) problems.push(`HOST: must be a loopback address, ${hint}`);
  if (isDevelopment && !isLoopbackUrl(issuer)) problems.push(`ISSUER: must be a loopback address, ${hint}`);
  return problems;
}

// The first secret encrypts and signs everything new. Older ones only get a warning: existing data needs them until it is replaced.
function weakSecret({ KINDRED_SECRET: [first = ''] = [] }: Settings): string[] {
  return first !== '' && isPredictable(first)
    ? ['KINDRED_SECRET: must be random; "openssl rand -base64 32" makes one']
    : [];
}

// Few different characters, one repeated part, or consecutive characters (abc…, 123…). None of these happens by chance, and
// 64 random hexadecimal digits pass.
function isPredictable(secret: string): boolean {
  if (new Set(secret).size < 12) return true;
  if (`${secret}${secret}`.indexOf(secret, 1) < secret.length) return true;
  const codes = Array.from(secret, (character) => character.charCodeAt(0));
  const steps = codes.filter((code, at) => Math.abs(code - (codes[at - 1] ?? -9)) === 1);
  return steps.length > secret.length / 2;
}

// A SQLite database has one process, where counting in memory is enough; the library's limiter for SQLite would use transactions
// of its own.
function contradictions(values: Settings): string[] {
  const problems: string[] = [];
  if (values.RATE_LIMITS === 'database' && values.DATABASE_URL.startsWith('sqlite:')) {
    problems.push('RATE_LIMITS: database requires Postgres; with SQLite use memory');
  }
  // 0 (one per core) is refused on any machine, so that settings that work on one core also work on two.
  if (values.WORKERS !== 1 && values.DATABASE_URL.startsWith('sqlite:')) {
    problems.push('WORKERS: more than one requires Postgres; SQLite serves one process');
  }
  if (values.DATABASE_DIRECT_URL && values.DATABASE_URL.startsWith('sqlite:')) {
    problems.push('DATABASE_DIRECT_URL: is for Postgres, but DATABASE_URL names a SQLite file');
  }
  if (values.MTLS_CERTIFICATE_HEADER && (values.TRUST_PROXY ?? 'off') === 'off') {
    problems.push(
      'MTLS_CERTIFICATE_HEADER: any client could send this header; set TRUST_PROXY to the proxy that sets it',
    );
  }
  if (values.SMTP_URL && !values.MAIL_FROM) problems.push('MAIL_FROM: is required with SMTP_URL');
  if (values.NODE_ENV === 'production' && !values.SMTP_URL) {
    if (values.RECOVERY === 'mail') problems.push('SMTP_URL: is required with RECOVERY=mail');
    if (values.SIGN_UP === 'open') problems.push('SMTP_URL: is required with SIGN_UP=open');
  }
  if (values.REGISTRATION === 'token' && !values.REGISTRATION_TOKEN) {
    problems.push('REGISTRATION_TOKEN: is required with REGISTRATION=token');
  }
  return problems;
}
