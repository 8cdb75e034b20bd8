// Every setting of Kindred: its name, default, unit and meaning. README's table is made from these rows.
import { z } from 'zod';
import '../src/lib/zod_messages.ts';
import { peopleSettings } from './people_settings.ts';
import { allowance, limitStore, lockout } from './rate_limits.ts';
import {
  databaseUrl,
  flag,
  issuer,
  port,
  postgresUrl,
  seconds,
  secrets,
  signingAlgs,
  trustProxy,
} from './setting_types.ts';

/** Settings that can be read from a file, which `<NAME>_FILE` names, such as secrets of Docker and Kubernetes. */
export const fromFiles = [
  'KINDRED_SECRET',
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'RATE_LIMITS',
  'REGISTRATION_TOKEN',
  'SMTP_URL',
];

export const schema = z.object({
  NODE_ENV: z
    .enum(['development', 'production', 'test'])
    .default('development')
    .describe('`production` refuses unsafe settings; only `development` creates the demo data'),
  ISSUER: issuer
    .optional()
    .describe(
      'issuer identifier and public base URL (default `http://127.0.0.1:$PORT`; production requires it)',
    ),
  ALLOW_LOOPBACK_ISSUER: flag(false).describe(
    'whether production accepts a loopback issuer (`http://127.0.0.1:…`), for a trial',
  ),
  HOST: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  PORT: port(3000).describe('port to listen on; 0 picks a free one'),
  METRICS_HOST: z.string().min(1).default('127.0.0.1').describe('address on which the metrics are served'),
  METRICS_PORT: port(9464).describe('port of the metrics (`/metrics`, Prometheus); 0 turns them off'),
  DATABASE_URL: databaseUrl.describe('`sqlite:<path>` or `postgres://…`'),
  DATABASE_DIRECT_URL: postgresUrl
    .optional()
    .describe(
      'the same Postgres without PgBouncer, for migrations, jobs and notices; required when `DATABASE_URL` is a PgBouncer in transaction mode',
    ),
  DATABASE_POOL: z.coerce
    .number()
    .int()
    .min(1)
    .max(200)
    .default(10)
    .describe('connections to Postgres for each process (each worker)'),
  KINDRED_SECRET: secrets
    .optional()
    .describe(
      'at least 32 bytes, base64url; in a comma list the first signs and encrypts, all verify and decrypt (in development created and stored in `data/`)',
    ),
  RESOURCE: z
    .url()
    .refine((value) => !value.includes('#'), 'must have no fragment (RFC 8707)')
    .optional()
    .describe(
      'audience of first-party tokens when the request names no `resource`; our own API accepts it (default `$ISSUER/api`)',
    ),
  ACCESS_TOKEN_TTL: seconds(900).describe('lifetime of access tokens, seconds; clients can override it'),
  SESSION_IDLE_TTL: seconds(604_800).describe(
    'a session that is not used for this long expires, seconds; clients can override it',
  ),
  SESSION_ABSOLUTE_TTL: seconds(2_592_000).describe(
    'a session expires this long after login, seconds; clients can override it',
  ),
  REUSE_RAISES_TOKEN_VERSION: flag(true).describe(
    'whether reuse of a refresh token also invalidates the outstanding access tokens of the user',
  ),
  RATE_LIMITS: limitStore.describe(
    'where rate limits and lockouts are counted: `off`, `memory` (one process), `database` (Postgres) or `redis://…`',
  ),
  RATE_LIMIT_PASSWORD: allowance('5/60').describe(
    'wrong passwords per name and address (or known device): number/seconds',
  ),
  RATE_LIMIT_LOGIN_ADDRESS: allowance('50/3600').describe(
    'wrong passwords per address (of IPv6 the /64) over all names: number/seconds; known devices are exempt',
  ),
  RATE_LIMIT_REFRESH: allowance('10/60').describe('refreshes per session: number/seconds'),
  RATE_LIMIT_PASSWORD_CHANGE: allowance('3/3600').describe(
    'attempts to change a password per user: number/seconds',
  ),
  PASSWORD_QUEUE: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(250)
    .describe(
      'passwords that may wait to be verified or hashed in one process; further ones are answered with 503',
    ),
  LOCKOUT: lockout.describe(
    'wrong passwords for a name (or on a known device) before a lockout, then its first and its longest delay in seconds; the delay doubles with each further failure',
  ),
  SIGNING_ALG: signingAlgs
    .optional()
    .describe(
      'algorithms of the signing keys, of `ES256`, `RS256`, `PS256`, `EdDSA`; the first signs access tokens (default: those of the keys that the database has; `ES256,RS256` in a new one)',
    ),
  SIGNING_KEY_LEAD: seconds(900).describe('a signing key is published this long before it signs, seconds'),
  SIGNING_KEY_TTL: seconds(7_776_000).describe(
    'a signing key signs for this long before it is rotated, seconds',
  ),
  AUDIT_RETENTION: seconds(34_560_000).describe('retention of the audit trail, seconds'),
  AUDIT_REFRESHES: z
    .enum(['ring', 'all'])
    .default('ring')
    .describe(
      'where successful refreshes are recorded: `ring` keeps the last eight of each session, `all` writes each of them to the audit trail as well',
    ),
  JOBS: flag(true).describe(
    'whether this process runs the periodic jobs (sweep, rotation of signing keys, statistics)',
  ),
  WORKERS: z.coerce
    .number()
    .int()
    .min(0)
    .max(256)
    .default(1)
    .describe('processes that answer requests; 0 = one per core; more than one requires Postgres'),
  TRUST_PROXY: trustProxy.describe(
    'number or addresses of the proxies that may set `X-Forwarded-*`; `off` (default) trusts none; required in production with an https issuer',
  ),
  MTLS_CERTIFICATE_HEADER: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be a header name in lower case')
    .optional()
    .describe('header in which a trusted proxy passes the client certificate (RFC 8705); none when unset'),
  BODY_LIMIT: z.coerce
    .number()
    .int()
    .min(1024)
    .max(1_048_576)
    .default(57_344)
    .describe('largest request body, bytes'),
  PKCE: z
    .enum(['public', 'all'])
    .default('public')
    .describe('which clients must use PKCE in the code flow: `public` ones, or `all`'),
  REGISTRATION: z
    .enum(['off', 'token', 'open'])
    .default('off')
    .describe('dynamic client registration: `off`, with an initial access `token`, or `open` to anyone'),
  REGISTRATION_TOKEN: z
    .string()
    .min(32)
    .optional()
    .describe('the initial access token for `REGISTRATION=token`, at least 32 characters'),
  CLIENT_ID_METADATA_DOCUMENTS: flag(false).describe(
    'whether clients are accepted whose `client_id` is the URL of their metadata',
  ),
  FETCH_PRIVATE_ADDRESSES: flag(false).describe(
    'whether keys and metadata of clients may be fetched from, and logout notices sent to, private and loopback addresses',
  ),
  ...peopleSettings,
  BRAND_NAME: z
    .string()
    .min(1)
    .max(60)
    .default('Kindred')
    .describe('the name that the pages show for this service'),
  BRAND_LOGO_URL: z.url().optional().describe('a roughly square logo for the pages'),
  BRAND_ACCENT: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #1f6b57')
    .optional()
    .describe('the accent colour of the pages'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe("the least severe level that is logged (pino's levels)"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'collector of traces (OTLP over HTTP); OpenTelemetry reads its other `OTEL_…` variables itself',
    ),
});

/** The settings as the schema reads them, by the names of their variables. */
export type Settings = z.output<typeof schema>;
