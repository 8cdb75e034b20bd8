import { createHash } from 'node:crypto';
import { mkdtempSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ConfigError, loadConfig } from '../../config/index.ts';
import { dataDirectory } from '../../config/local_secret.ts';
import { settingsTable } from '../../config/readme.ts';
import { schema } from '../../config/schema.ts';
import { runChildren } from '../helpers/child.ts';

const secret = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA';
const other = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const production = {
  NODE_ENV: 'production',
  ISSUER: 'https://id.example',
  TRUST_PROXY: '1',
  KINDRED_SECRET: secret,
};

/** The names of the variables that are refused, in order. */
function refused(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig({ KINDRED_SECRET: secret, ...env });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => problem.slice(0, problem.indexOf(':'))).toSorted();
  }
}

test('only a secret is required', (t) => {
  t.deepEqual(loadConfig({ KINDRED_SECRET: secret }), {
    warnings: [],
    env: 'development',
    issuer: 'http://127.0.0.1:3000',
    issuerPath: '',
    host: '127.0.0.1',
    port: 3000,
    metrics: { host: '127.0.0.1', port: 9464 },
    databaseUrl: 'sqlite:./data/kindred.sqlite',
    databaseDirectUrl: 'sqlite:./data/kindred.sqlite',
    databasePool: 10,
    secrets: [secret],
    resource: 'http://127.0.0.1:3000/api',
    accessTokenTtl: 900,
    sessionIdleTtl: 604_800,
    sessionAbsoluteTtl: 2_592_000,
    reuseRaisesTokenVersion: true,
    rateLimits: {
      store: 'memory',
      password: { points: 5, seconds: 60 },
      loginAddress: { points: 50, seconds: 3_600 },
      refresh: { points: 10, seconds: 60 },
      passwordChange: { points: 3, seconds: 3600 },
      mail: { points: 6, seconds: 3600 },
      mailAddress: { points: 20, seconds: 3600 },
      lockout: { failures: 10, firstDelay: 60, longestDelay: 900 },
    },
    signingAlgs: null,
    signingKeyLead: 900,
    signingKeyTtl: 7_776_000,
    auditRetention: 34_560_000,
    auditRefreshes: 'ring',
    jobs: true,
    workers: 1,
    trustProxy: { hops: 0, addresses: [] },
    passwordQueue: 250,
    pkce: 'public',
    mail: {
      smtpUrl: null,
      from: null,
      replyTo: null,
      folder: 'data/mail',
      notices: ['new_device', 'reuse_detected', 'password_changed', 'recovered'],
    },
    recovery: true,
    signUp: 'invite',
    signUpDomains: null,
    registration: 'off',
    registrationToken: null,
    clientIdMetadataDocuments: false,
    fetchPrivateAddresses: false,
    brand: { name: 'Kindred' },
    certificateHeader: null,
    bodyLimit: 57_344,
    logLevel: 'info',
    tracesEndpoint: null,
  });
});

test('issuer and resource follow from host and port', (t) => {
  const { issuer, resource } = loadConfig({ KINDRED_SECRET: secret, HOST: '::1', PORT: '8080' });
  t.deepEqual([issuer, resource], ['http://[::1]:8080', 'http://[::1]:8080/api']);
});

test('an empty variable counts as unset', (t) => {
  const empty = Object.fromEntries(Object.keys(schema.shape).map((name) => [name, '']));
  t.deepEqual(loadConfig({ ...empty, KINDRED_SECRET: secret }), loadConfig({ KINDRED_SECRET: secret }));
});

test('a database in memory is refused, because each connection would have its own', (t) => {
  const error = t.throws(() => loadConfig({ DATABASE_URL: 'sqlite::memory:' }));
  t.regex(String(error?.message), /DATABASE_URL: must name a file/);
});

test('every problem is reported at once, by the name of its variable', (t) => {
  const error = t.throws(
    () =>
      loadConfig({
        NODE_ENV: 'production',
        ISSUER: 'http://id.example',
        PORT: '70000',
        DATABASE_URL: 'mysql://x',
        KINDRED_SECRET: 'short',
        ACCESS_TOKEN_TTL: '-1',
        REUSE_RAISES_TOKEN_VERSION: 'maybe',
        RATE_LIMITS: 'off',
        LOG_LEVEL: 'loud',
      }),
    { instanceOf: ConfigError },
  );
  const names = ['ACCESS_TOKEN_TTL', 'DATABASE_URL', 'ISSUER', 'KINDRED_SECRET', 'LOG_LEVEL', 'PORT'];
  t.deepEqual(error.problems.map((problem) => problem.split(':')[0]).toSorted(), [
    ...names,
    'RATE_LIMITS',
    'REUSE_RAISES_TOKEN_VERSION',
  ]);
  for (const problem of error.problems) t.true(error.message.includes(`\n  ${problem}`));
  t.false(error.message.includes('short\n'));
});

test('an unknown NODE_ENV causes only one problem', (t) => {
  t.deepEqual(refused({ NODE_ENV: 'prod', HOST: '0.0.0.0' }), ['NODE_ENV']);
});

test('a host that gives no valid URL is reported like other problems', (t) => {
  for (const HOST of ['0.0.0.0 ', 'my host']) {
    t.deepEqual(refused({ ...production, ISSUER: 'id.example', HOST }), ['HOST', 'ISSUER']);
    t.deepEqual(
      refused({ ...production, HOST }),
      [],
      'where the issuer is said it is for the system to judge',
    );
  }
});

test('production refuses unsafe settings', (t) => {
  t.deepEqual(refused(production), []);
  t.deepEqual(refused({ ...production, ISSUER: 'http://id.example' }), ['ISSUER']);
  t.deepEqual(refused({ ...production, ISSUER: 'http://127.0.0.1.example' }), ['ISSUER']);
  t.deepEqual(refused({ ...production, RATE_LIMITS: 'off' }), ['RATE_LIMITS']);
  t.deepEqual(refused({ ...production, KINDRED_SECRET: undefined }), ['KINDRED_SECRET']);
  t.deepEqual(refused({ ...production, KINDRED_SECRET: '' }), ['KINDRED_SECRET']);
});

test('production requires an issuer, and a loopback issuer only with ALLOW_LOOPBACK_ISSUER', (t) => {
  const local = ['http://localhost:3000', 'http://[::1]:3000', 'http://127.0.0.1:3000', 'https://localhost'];
  for (const ISSUER of [undefined, '', ...local]) {
    t.deepEqual(refused({ ...production, ISSUER }), ['ISSUER'], ISSUER);
    t.deepEqual(refused({ ...production, ISSUER, ALLOW_LOOPBACK_ISSUER: 'true' }), [], ISSUER);
  }
  const others = { ...production, ISSUER: undefined, HOST: '0.0.0.0', ALLOW_LOOPBACK_ISSUER: 'true' };
  t.deepEqual(refused(others), ['ISSUER'], 'http://0.0.0.0 is no address of this machine alone');
});

test('production requires TRUST_PROXY, and refuses to trust wide networks', (t) => {
  const trusting = (TRUST_PROXY: string | undefined) => refused({ ...production, TRUST_PROXY });
  for (const bad of [undefined, '', '11', '99', '0.0.0.0/0', '::/0', '10.0.0.0/8,128.0.0.0/1', 'fc00::/6'])
    t.deepEqual(trusting(bad), ['TRUST_PROXY'], bad);
  for (const good of ['off', '1', '10', '10.0.0.0/8', 'fc00::/7,::1', '192.0.2.1'])
    t.deepEqual(trusting(good), [], good);
});

test('production refuses lockouts that have no effect', (t) => {
  for (const LOCKOUT of ['99999/1/1', '10/1/59', '101/60/900'])
    t.deepEqual(refused({ ...production, LOCKOUT }), ['LOCKOUT'], LOCKOUT);
  for (const LOCKOUT of ['10/60/900', '100/1/60'])
    t.deepEqual(refused({ ...production, LOCKOUT }), [], LOCKOUT);
});

test('everything that production refuses is named at once', (t) => {
  const env = {
    NODE_ENV: 'production',
    KINDRED_SECRET: 'abcdefghij'.repeat(5),
    TRUST_PROXY: '0.0.0.0/0',
    LOCKOUT: '99999/1/1',
    RATE_LIMITS: 'off',
  };
  t.deepEqual(refused(env), ['ISSUER', 'KINDRED_SECRET', 'LOCKOUT', 'RATE_LIMITS', 'TRUST_PROXY']);
});

test('NODE_ENV=test can listen on loopback addresses only', (t) => {
  t.deepEqual(refused({ NODE_ENV: 'test', HOST: '0.0.0.0' }), ['HOST']);
  t.deepEqual(refused({ NODE_ENV: 'test', ISSUER: 'https://id.example' }), []);
});

test('an unusual setting in production is a warning that names the setting', (t) => {
  const warned = (env: NodeJS.ProcessEnv) =>
    loadConfig({ ...production, ...env }).warnings.map((warning) => warning.split(':')[0]);
  t.deepEqual(warned({}), []);
  t.deepEqual(warned({ TRUST_PROXY: 'off' }), ['TRUST_PROXY']);
  t.deepEqual(warned({ FETCH_PRIVATE_ADDRESSES: 'true' }), ['FETCH_PRIVATE_ADDRESSES']);
  t.deepEqual(warned({ KINDRED_SECRET: `${secret},${'abcdefghijkl'.repeat(4)}` }), ['KINDRED_SECRET']);
  const local = { ISSUER: 'http://127.0.0.1:3000', ALLOW_LOOPBACK_ISSUER: 'true', HOST: '0.0.0.0' };
  t.deepEqual(warned(local), ['ISSUER']);
  t.regex(loadConfig({ ...production, ...local }).warnings[0] ?? '', /HOST=0\.0\.0\.0/);
  t.deepEqual(warned({ NODE_ENV: 'test' }), ['NODE_ENV']);
});

test('a secret that follows a pattern is refused, a random one in hexadecimal is not', (t) => {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJK';
  for (const bad of ['abcdefghij'.repeat(5), 'abcdefghijklm'.repeat(4), alphabet, `${alphabet}=`])
    t.deepEqual(refused({ KINDRED_SECRET: bad }), ['KINDRED_SECRET'], bad);
  for (let i = 0; i < 200; i += 1) {
    const bytes = createHash('sha256').update(String(i)).digest();
    for (const good of [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')])
      t.deepEqual(refused({ KINDRED_SECRET: good }), [], good);
  }
});

test('a secret that is short or not random is refused everywhere', (t) => {
  const bad = [
    'short',
    secret.slice(1),
    'a'.repeat(43),
    'ab'.repeat(30),
    `${secret},short`,
    `${secret},`,
    'secret with spaces'.repeat(5),
  ];
  for (const KINDRED_SECRET of bad) t.deepEqual(refused({ KINDRED_SECRET }), ['KINDRED_SECRET']);
});

test('secrets are a list, converted to base64url', (t) => {
  const base64 = `${other.slice(0, 40)}+/8=`;
  t.deepEqual(loadConfig({ KINDRED_SECRET: `${secret}, ${base64}` }).secrets, [
    secret,
    `${other.slice(0, 40)}-_8`,
  ]);
});

test('development refuses addresses other than loopback', (t) => {
  for (const HOST of ['0.0.0.0', '::', '192.168.1.2', '127.evil.example'])
    t.true(refused({ HOST }).includes('HOST'));
  for (const HOST of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) t.deepEqual(refused({ HOST }), []);
  t.deepEqual(refused({ ISSUER: 'https://id.example' }), ['ISSUER']);
  t.deepEqual(refused({ ISSUER: 'https://id.example', HOST: '0.0.0.0' }), ['HOST', 'ISSUER']);
});

test('an issuer is an http(s) URL and nothing more', (t) => {
  const bad = [
    'id.example',
    'ftp://127.0.0.1',
    'http://127.0.0.1/',
    'http://127.0.0.1?',
    'http://127.0.0.1?a=b',
    'http://127.0.0.1#',
    'http://u:p@127.0.0.1',
  ];
  for (const ISSUER of bad) t.deepEqual(refused({ ISSUER }), ['ISSUER'], ISSUER);
  t.deepEqual(refused({ ISSUER: 'http://127.0.0.1:3000/auth' }), []);
});

test('rate limits in the database require Postgres', (t) => {
  t.deepEqual(refused({ RATE_LIMITS: 'database' }), ['RATE_LIMITS']);
  t.deepEqual(refused({ RATE_LIMITS: 'database', DATABASE_URL: 'postgres://db.example/kindred' }), []);
});

test('workers require Postgres, and in production shared rate limits', (t) => {
  const postgres = { DATABASE_URL: 'postgres://db.example/kindred' };
  for (const WORKERS of ['-1', '257', '1.5', 'many'])
    t.deepEqual(refused({ ...postgres, WORKERS }), ['WORKERS']);
  for (const WORKERS of ['0', '2']) {
    t.deepEqual(refused({ WORKERS }), ['WORKERS'], 'on SQLite');
    t.deepEqual(refused({ ...postgres, WORKERS }), []);
    t.deepEqual(refused({ ...production, ...postgres, WORKERS }), ['RATE_LIMITS']);
    t.deepEqual(refused({ ...production, ...postgres, WORKERS, RATE_LIMITS: 'redis://127.0.0.1' }), []);
    t.deepEqual(refused({ ...production, WORKERS }), ['RATE_LIMITS', 'WORKERS'], 'both at once');
  }
  const workers = (WORKERS: string) => loadConfig({ KINDRED_SECRET: secret, ...postgres, WORKERS }).workers;
  t.deepEqual(['0', '1', '3'].map(workers), [availableParallelism(), 1, 3]);
  t.deepEqual(refused({ ...production, WORKERS: '1' }), []);
});

test('proxies are trusted by number or by address', (t) => {
  const trusted = (TRUST_PROXY: string) => loadConfig({ KINDRED_SECRET: secret, TRUST_PROXY }).trustProxy;
  t.deepEqual(trusted('off'), { hops: 0, addresses: [] });
  t.deepEqual(trusted('2'), { hops: 2, addresses: [] });
  t.deepEqual(trusted('10.0.0.0/8, ::1'), { hops: 0, addresses: ['10.0.0.0/8', '::1'] });
  t.deepEqual(refused({ TRUST_PROXY: 'everybody' }), ['TRUST_PROXY']);
  for (const TRUST_PROXY of ['10.1', '10.0.0.0/33', '::1/129', '10.0.0.1,', 'fade'])
    t.deepEqual(refused({ TRUST_PROXY }), ['TRUST_PROXY']);
});

test('the data folder is the folder of the SQLite file', (t) => {
  t.is(dataDirectory('sqlite:/var/lib/kindred/kindred.sqlite'), '/var/lib/kindred');
  t.is(dataDirectory('postgres://db.example/kindred'), './data');
});

test('without a secret one is created, readable by its owner only, and used again', (t) => {
  const directory = temporary(t);
  const env = { DATABASE_URL: `sqlite:${join(directory, 'deep', 'kindred.sqlite')}` };
  const [kept = '', ...more] = loadConfig(env).secrets;
  t.regex(kept, /^[\w-]{43}$/);
  t.deepEqual(more, []);
  t.is(statSync(join(directory, 'deep', 'secret')).mode & 0o777, 0o600);
  t.deepEqual(loadConfig(env).secrets, [kept]);
  t.deepEqual(refused({ ...env, KINDRED_SECRET: kept }), []);
});

test('processes that start at once use the same secret', async (t) => {
  const directory = temporary(t);
  const script = new URL('children/load_secrets.ts', import.meta.url);
  const outcomes = await runChildren(4, script, [`sqlite:${join(directory, 'kindred.sqlite')}`]);
  t.deepEqual([...new Set(outcomes.map(({ stderr }) => stderr))], ['']);
  t.is(new Set(outcomes.map(({ stdout }) => stdout)).size, 1);
  t.deepEqual(await readdir(directory), ['secret']);
});

test('every variable has a row with its meaning', (t) => {
  const table = settingsTable();
  t.deepEqual(
    table.map((row) => row.name),
    Object.keys(schema.shape),
  );
  t.deepEqual(
    table.filter((row) => row.meaning === ''),
    [],
  );
  t.is(table.find((row) => row.name === 'ACCESS_TOKEN_TTL')?.fallback, '900');
  t.is(table.find((row) => row.name === 'REUSE_RAISES_TOKEN_VERSION')?.fallback, 'true');
});

function temporary(t: { teardown(done: () => Promise<void>): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-config-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

test('secrets can be read from files, without the line break at the end', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-config-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const given = {
    KINDRED_SECRET_FILE: await file('secret', `${secret}\n`),
    DATABASE_URL_FILE: await file('url', 'postgres://u:p@db.example/kindred'),
    REGISTRATION: 'token',
    REGISTRATION_TOKEN_FILE: await file('token', `${'t'.repeat(40)}\r\n`),
  };
  const config = loadConfig({ ...given, NODE_ENV: 'test' });
  t.deepEqual(
    [config.secrets, config.databaseUrl, config.registrationToken],
    [[secret], 'postgres://u:p@db.example/kindred', 't'.repeat(40)],
  );
  const missing = join(folder, 'missing');
  const { problems } = t.throws(
    () =>
      loadConfig({
        KINDRED_SECRET: secret,
        KINDRED_SECRET_FILE: given.KINDRED_SECRET_FILE,
        DATABASE_URL_FILE: missing,
      }),
    { instanceOf: ConfigError },
  ) ?? { problems: [] };
  t.deepEqual(problems, [
    'KINDRED_SECRET_FILE: KINDRED_SECRET is set as well; keep one of them',
    `DATABASE_URL_FILE: ${missing} cannot be read (ENOENT)`,
  ]);
});

test('problems of settings are described in plain English', (t) => {
  const given = {
    PORT: 'http',
    METRICS_PORT: '70000',
    ACCESS_TOKEN_TTL: '1.5',
    LOG_LEVEL: 'loud',
    BRAND_NAME: 'x'.repeat(61),
  };
  const { problems } = t.throws(() => loadConfig(given), { instanceOf: ConfigError }) ?? { problems: [] };
  t.deepEqual(problems.toSorted(), [
    'ACCESS_TOKEN_TTL: must be a whole number',
    'BRAND_NAME: must have at most 60 characters',
    'LOG_LEVEL: must be fatal, error, warn, info, debug, trace or silent',
    'METRICS_PORT: must be at most 65535',
    'PORT: must be a number',
  ]);
});
