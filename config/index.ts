// The settings of a process: read once from the environment, checked, with every problem reported at once.
import { availableParallelism } from 'node:os';
import { readEnvironment, type Variables, withFiles, withoutEmpty } from './environment.ts';
import { readOrCreateSecret } from './local_secret.ts';
import { type PeopleConfig, peopleConfigOf } from './people_config.ts';
import { parseRateLimits, type RateLimitSettings } from './rate_limits.ts';
import { findProblems, findWarnings } from './safety.ts';
import { type Settings, schema } from './schema.ts';

/** The settings as the rest of the server reads them: plain values, camelCase, every default applied. */
export interface Config extends PeopleConfig {
  /** Warnings about unusual settings, each naming its variable; logged at the start. */
  warnings: string[];
  env: Settings['NODE_ENV'];
  issuer: string;
  /** The path of the issuer: empty, or as in `/auth`. URLs for browsers contain it; a proxy removes it from requests. */
  issuerPath: string;
  host: string;
  port: number;
  metrics: { host: string; port: number };
  databaseUrl: string;
  /** The same database without a pooler, for locks, notices and migrations, which need a session of Postgres. */
  databaseDirectUrl: string;
  databasePool: number;
  /** Base64url; the first signs and encrypts, all verify and decrypt. */
  secrets: string[];
  resource: string;
  /** Seconds. */
  accessTokenTtl: number;
  sessionIdleTtl: number;
  sessionAbsoluteTtl: number;
  reuseRaisesTokenVersion: boolean;
  rateLimits: RateLimitSettings;
  /** How many passwords may wait to be hashed. */
  passwordQueue: number;
  /** The first signs access tokens; null leaves the algorithms to the keys that the database has. */
  signingAlgs: NonNullable<Settings['SIGNING_ALG']> | null;
  /** Seconds. */
  signingKeyLead: number;
  signingKeyTtl: number;
  /** Seconds. */
  auditRetention: number;
  auditRefreshes: Settings['AUDIT_REFRESHES'];
  /** Whether this process runs the periodic jobs. */
  jobs: boolean;
  /** Processes that answer requests; with 1 this process answers them itself. */
  workers: number;
  trustProxy: { hops: number; addresses: string[] };
  pkce: Settings['PKCE'];
  registration: Settings['REGISTRATION'];
  registrationToken: string | null;
  clientIdMetadataDocuments: boolean;
  fetchPrivateAddresses: boolean;
  brand: { name: string; logoUrl?: string; accent?: string };
  /** The header that carries client certificates, in lower case. */
  certificateHeader: string | null;
  /** Bytes. */
  bodyLimit: number;
  logLevel: Settings['LOG_LEVEL'];
  /** The collector of traces; null does not load OpenTelemetry. */
  tracesEndpoint: string | null;
}

/** All problems of the settings, one line each, every line naming its variable. */
export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`the settings are not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/**
 * The settings of this process, from the environment and an optional `.env` file in the working folder.
 * Throws {@link ConfigError} with every problem at once.
 */
export function loadConfig(env: NodeJS.ProcessEnv = readEnvironment()): Config {
  const { given, unreadable } = withFiles(withoutEmpty(env));
  const { values, problems } = parse(given);
  problems.unshift(...unreadable);
  const issuer = values.ISSUER ?? ownUrl(values, problems);
  const isKnownEnvironment = !problems.some((problem) => nameOf(problem) === 'NODE_ENV');
  const examined = { values, issuer, isKnownEnvironment };
  for (const problem of findProblems(examined)) {
    if (!problems.some((known) => nameOf(known) === nameOf(problem))) problems.push(problem);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return configOf(values, issuer, findWarnings(examined));
}

function configOf(values: Settings, issuer: string, warnings: string[]): Config {
  return {
    warnings,
    env: values.NODE_ENV,
    issuer,
    issuerPath: new URL(issuer).pathname.replace(/\/$/, ''),
    host: values.HOST,
    port: values.PORT,
    metrics: { host: values.METRICS_HOST, port: values.METRICS_PORT },
    databaseUrl: values.DATABASE_URL,
    databaseDirectUrl: values.DATABASE_DIRECT_URL ?? values.DATABASE_URL,
    databasePool: values.DATABASE_POOL,
    secrets: values.KINDRED_SECRET ?? [readOrCreateSecret(values.DATABASE_URL)],
    resource: values.RESOURCE ?? `${issuer}/api`,
    accessTokenTtl: values.ACCESS_TOKEN_TTL,
    sessionIdleTtl: values.SESSION_IDLE_TTL,
    sessionAbsoluteTtl: values.SESSION_ABSOLUTE_TTL,
    reuseRaisesTokenVersion: values.REUSE_RAISES_TOKEN_VERSION,
    rateLimits: parseRateLimits(values),
    passwordQueue: values.PASSWORD_QUEUE,
    signingAlgs: values.SIGNING_ALG ?? null,
    signingKeyLead: values.SIGNING_KEY_LEAD,
    signingKeyTtl: values.SIGNING_KEY_TTL,
    auditRetention: values.AUDIT_RETENTION,
    auditRefreshes: values.AUDIT_REFRESHES,
    jobs: values.JOBS,
    workers: values.WORKERS === 0 ? availableParallelism() : values.WORKERS,
    trustProxy: parseTrustProxy(values.TRUST_PROXY ?? 'off'),
    pkce: values.PKCE,
    registration: values.REGISTRATION,
    registrationToken: values.REGISTRATION === 'token' ? (values.REGISTRATION_TOKEN ?? null) : null,
    clientIdMetadataDocuments: values.CLIENT_ID_METADATA_DOCUMENTS,
    fetchPrivateAddresses: values.FETCH_PRIVATE_ADDRESSES,
    brand: brandOf(values),
    ...peopleConfigOf(values),
    certificateHeader: values.MTLS_CERTIFICATE_HEADER ?? null,
    bodyLimit: values.BODY_LIMIT,
    logLevel: values.LOG_LEVEL,
    tracesEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT ?? null,
  };
}

function brandOf({ BRAND_NAME, BRAND_LOGO_URL, BRAND_ACCENT }: Settings): Config['brand'] {
  return {
    name: BRAND_NAME,
    ...(BRAND_LOGO_URL === undefined ? {} : { logoUrl: BRAND_LOGO_URL }),
    ...(BRAND_ACCENT === undefined ? {} : { accent: BRAND_ACCENT }),
  };
}

/** The settings with the port that the system chose for `PORT=0`. */
export function withPort(config: Config, port: number): Config {
  if (config.port !== 0) return config;
  const replace = (url: string) => url.replace(/^(http:\/\/[^/]+):0(?=\/|$)/, `$1:${port}`);
  return { ...config, port, issuer: replace(config.issuer), resource: replace(config.resource) };
}

// A setting that does not parse counts as unset (and an unknown NODE_ENV as test), so that every other problem shows too.
function parse(given: Variables): { values: Settings; problems: string[] } {
  const parsed = schema.safeParse(given);
  if (parsed.success) return { values: parsed.data, problems: [] };
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const bad = new Set(problems.map(nameOf));
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !bad.has(name)));
  return { values: schema.parse(bad.has('NODE_ENV') ? { ...rest, NODE_ENV: 'test' } : rest), problems };
}

function nameOf(problem: string): string | undefined {
  return problem.split(':')[0];
}

// The URL of a server whose ISSUER is not set.
function ownUrl({ HOST, PORT }: Settings, problems: string[]): string {
  const url = `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${PORT}`;
  if (URL.canParse(url)) return url;
  problems.push('HOST: must be a host name or an IP address');
  return `http://127.0.0.1:${PORT}`;
}

function parseTrustProxy(value: string): Config['trustProxy'] {
  if (value === 'off') return { hops: 0, addresses: [] };
  if (/^\d+$/.test(value)) return { hops: Number(value), addresses: [] };
  return { hops: 0, addresses: value.split(',').map((one) => one.trim()) };
}
