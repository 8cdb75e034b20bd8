// The server that the clients of one file use: a process of its own with the default settings of production, behind TLS, on a
// new SQLite database, so that it makes its own tables and keys. Everything is set up by the commands that an operator has.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import test from 'ava';
import { runCommand } from '../../helpers/commands.ts';
import { freePort } from '../../helpers/server_process.ts';
import { serverProgram, startProgram } from './programs.ts';
import { openTlsProxy } from './tls_proxy.ts';

export interface Person {
  id: string;
  username: string;
  email: string;
  password: string;
}

export interface Kindred {
  issuer: string;
  /** The certificate of the issuer, PEM, signed by its own key. */
  certificate: string;
  /** Environment variables with which Node, Python, Go and OpenSSL trust this certificate. */
  trust: Record<string, string>;
  /** The output of the server so far. */
  output: () => string;
  /** The answer of a command with `--json`; a failure fails the test. */
  command<Result = Record<string, unknown>>(args: string[], stdin?: string): Promise<Result>;
  /** Creates a user; a test makes its own, so that it may end all of the user's sessions. */
  createUser(more?: string[]): Promise<Person>;
  /** Registers a client; one with a secret gets a random one. */
  createClient(metadata: object): Promise<RegisteredClient>;
  updateClient(client_id: string, change: object): Promise<void>;
  stop(): Promise<void>;
}

export interface RegisteredClient {
  client_id: string;
  /** Empty for a public client. */
  client_secret: string;
}

/** Environment variables beside the defaults, such as `REGISTRATION`. */
type Settings = Record<string, string>;

/** The server of this file, started by the first test that asks for it and stopped after the last. */
export function useKindred(settings: Settings = {}): () => Promise<Kindred> {
  let starting: Promise<Kindred> | null = null;
  test.after.always('the server stops', async () => await (await starting)?.stop());
  return async () => {
    starting ??= startKindred(settings);
    return await starting;
  };
}

/** Starts a server; the caller stops it. From then on, this process trusts its certificate. */
export async function startKindred(settings: Settings = {}): Promise<Kindred> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-interop-'));
  const port = await freePort();
  const proxy = await openTlsProxy(port);
  const env = {
    NODE_ENV: 'production',
    ALLOW_LOOPBACK_ISSUER: 'true',
    ISSUER: proxy.url,
    TRUST_PROXY: '1',
    PORT: String(port),
    METRICS_PORT: '0',
    DATABASE_URL: `sqlite:${join(directory, 'kindred.sqlite')}`,
    KINDRED_SECRET: randomBytes(32).toString('base64url'),
    ...settings,
  };
  const file = join(directory, 'certificate.pem');
  await writeFile(file, proxy.certificate);
  setDefaultCACertificates([...getCACertificates(), proxy.certificate]);
  const running = await startProgram(process.execPath, [serverProgram], { cwd: directory, env, port });
  return {
    issuer: proxy.url,
    certificate: proxy.certificate,
    trust: { NODE_EXTRA_CA_CERTS: file, SSL_CERT_FILE: file, REQUESTS_CA_BUNDLE: file },
    output: running.output,
    ...operatorOf(env),
    async stop() {
      await running.stop();
      await proxy.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** What an operator does by commands. */
function operatorOf(env: Record<string, string>) {
  const command = async <Result = Record<string, unknown>>(args: string[], stdin = ''): Promise<Result> => {
    const { code, stdout, stderr } = await runCommand([...args, '--json'], { env, stdin });
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout || 'null');
  };
  return {
    command,
    async createUser(more: string[] = []): Promise<Person> {
      const username = `ada-${randomBytes(4).toString('hex')}`;
      const email = `${username}@example.com`;
      const password = randomBytes(12).toString('base64url');
      const args = ['create-user', '--username', username, '--email', email, '--password-stdin', ...more];
      const { id } = await command<{ id: string }>(args, password);
      return { id, username, email, password };
    },
    async createClient(metadata: object): Promise<RegisteredClient> {
      const made = await command<{ client_id: string; client_secret?: string }>(
        ['create-client', '--metadata', '-'],
        JSON.stringify(metadata),
      );
      return { client_id: made.client_id, client_secret: made.client_secret ?? '' };
    },
    async updateClient(client_id: string, change: object): Promise<void> {
      await command(['update-client', client_id, '--metadata', '-'], JSON.stringify(change));
    },
  };
}
