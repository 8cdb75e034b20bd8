// Every setting of Kindred: its name, default, unit and meaning. README's table is made from these rows.
import { z } from 'zod';
import '../src/lib/zod_messages.ts';
import { allowance, limitStore, lockout } from './rate_limits.ts';
import {
  databaseUrl,
  flag,
  issuer,
  port,
  postgresUrl,
  seconds,
  secrets,
  trustProxy,
} from './setting_types.ts';

/** Settings that may stand in a file, which `<NAME>_FILE` names: what Docker and Kubernetes hand over as secrets. */
export const fromFiles = [
  'KINDRED_SECRET',
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'RATE_LIMITS',
  'REGISTRATION_TOKEN',
];

export const schema = z.object({
  NODE_ENV: z
    .enum(['development', 'production', 'test'])
    .default('development')
    .describe('`production` refuses unsafe settings; only `development` seeds the demo'),
  ISSUER: issuer
    .optional()
    .describe(
      'issuer identifier and public base URL (default `http://127.0.0.1:$PORT`; production requires it)',
    ),
  ALLOW_LOOPBACK_ISSUER: flag(false).describe(
    'whether production accepts an issuer on this machine (`http://127.0.0.1:…`), to try it out',
  ),
  HOST: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  PORT: port(3000).describe('port to listen on; 0 picks a free one'),
  METRICS_HOST: z.string().min(1).default('127.0.0.1').describe('address of the metrics'),
  METRICS_PORT: port(9464).describe('port of the metrics (`/metrics`, Prometheus); 0 turns them off'),
  DATABASE_URL: databaseUrl.describe('`sqlite:<path>` or `postgres://…`'),
  DATABASE_DIRECT_URL: postgresUrl
    .optional()
    .describe(
      'the same Postgres past PgBouncer, for migrations, jobs and notices; needed where `DATABASE_URL` leads through PgBouncer in transaction mode',
    ),
  DATABASE_POOL: z.coerce
    .number()
    .int()
    .min(1)
    .max(200)
    .default(10)
    .describe('connections a process opens to Postgres, each worker its own'),
  KINDRED_SECRET: secrets
    .optional()
    .describe(
      '≥ 32 bytes, base64url; a comma list: the first mints, all verify (made and kept in `data/` in development)',
    ),
  RESOURCE: z
    .url()
    .refine((value) => !value.includes('#'), 'must have no fragment (RFC 8707)')
    .optional()
    .describe(
      'audience of first-party tokens when no `resource` is asked for; our own API accepts it (default `$ISSUER/api`)',
    ),
  ACCESS_TOKEN_TTL: seconds(900).describe('lifetime of access tokens, seconds; clients may differ'),
  SESSION_IDLE_TTL: seconds(604_800).describe(
    'a session unused for this long expires, seconds; clients may differ',
  ),
  SESSION_ABSOLUTE_TTL: seconds(2_592_000).describe(
    'a session expires this long after login, seconds; clients may differ',
  ),
  REUSE_RAISES_TOKEN_VERSION: flag(true).describe(
    'reuse also invalidates outstanding access tokens of the user',
  ),
  RATE_LIMITS: limitStore.describe(
    'where rate limits and lockouts are counted: `off`, `memory` (one process), `database` (Postgres) or `redis://…`',
  ),
  RATE_LIMIT_PASSWORD: allowance('5/60').describe(
    'wrong passwords per name and address (or known device), how many in how many seconds',
  ),
  RATE_LIMIT_LOGIN_ADDRESS: allowance('50/3600').describe(
    'wrong passwords per address (of IPv6 the /64) whatever the names, how many in how many seconds; known devices go on',
  ),
  RATE_LIMIT_REFRESH: allowance('10/60').describe('refreshes per session, how many in how many seconds'),
  RATE_LIMIT_PASSWORD_CHANGE: allowance('3/3600').describe(
    'attempts to change a password per user, how many in how many seconds',
  ),
  PASSWORD_QUEUE: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(250)
    .describe('passwords that may wait to be verified or hashed in one process; more are answered 503'),
  LOCKOUT: lockout.describe(
    'wrong passwords for a name (or on a known device) before a lockout, its first and its longest delay in seconds; it doubles in between',
  ),
  SIGNING_ALG: z.enum(['ES256', 'EdDSA', 'RS256']).default('ES256').describe('algorithm of new signing keys'),
  SIGNING_KEY_LEAD: seconds(900).describe('a signing key is published this long before it signs, seconds'),
  SIGNING_KEY_TTL: seconds(7_776_000).describe(
    'a signing key signs for this long before it is rotated, seconds',
  ),
  AUDIT_RETENTION: seconds(34_560_000).describe('events of the audit trail are kept for this long, seconds'),
  JOBS: flag(true).describe('whether this process runs the periodic jobs (sweep, rotation of signing keys)'),
  WORKERS: z.coerce
    .number()
    .int()
    .min(0)
    .max(256)
    .default(1)
    .describe('processes that answer requests; 0 = one a core; more than one needs Postgres'),
  TRUST_PROXY: trustProxy.describe(
    'how many proxies, or which addresses, may set `X-Forwarded-*`; `off` (default) trusts none; production with an https issuer wants it set',
  ),
  MTLS_CERTIFICATE_HEADER: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be a header name in lower case')
    .optional()
    .describe('header in which a trusted proxy hands on the client certificate (RFC 8705); none when unset'),
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
    .describe('who must use PKCE in the code flow: `public` clients, or `all`'),
  REGISTRATION: z
    .enum(['off', 'token', 'open'])
    .default('off')
    .describe('dynamic client registration: `off`, with an initial access `token`, or `open` to everybody'),
  REGISTRATION_TOKEN: z
    .string()
    .min(32)
    .optional()
    .describe('the initial access token for `REGISTRATION=token`, at least 32 characters'),
  CLIENT_ID_METADATA_DOCUMENTS: flag(false).describe(
    'accept clients whose `client_id` is the URL of their metadata',
  ),
  FETCH_PRIVATE_ADDRESSES: flag(false).describe(
    'whether keys, metadata and logout notices of clients may be fetched from and sent to private and loopback addresses',
  ),
  BRAND_NAME: z.string().min(1).max(60).default('Kindred').describe('what the pages call this place'),
  BRAND_LOGO_URL: z.url().optional().describe('a picture about as wide as high, for the pages'),
  BRAND_ACCENT: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #1f6b57')
    .optional()
    .describe('the accent colour of the pages'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe("pino's levels"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('traces go here by OTLP over HTTP; what else OpenTelemetry calls `OTEL_…` it reads itself'),
});

/** The settings as the schema reads them, by the names of their variables. */
export type Settings = z.output<typeof schema>;
