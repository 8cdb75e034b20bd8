// docs/connect/mcp.md: an MCP server, and clients by both SDKs, which register themselves or are described by a document. They log in,
// go on after their token has expired, also with several calls at once, and log out.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ava, { type ExecutionContext } from 'ava';
import { documentCertificate, serveDocument } from '../../helpers/document_host.ts';
import { freePort } from '../../helpers/server_process.ts';
import { untilTime } from '../../helpers/until.ts';
import { openBrowser } from '../harness/browser.ts';
import { type Kindred, useKindred } from '../harness/kindred.ts';
import { example, layOut } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { npmTool, testWith } from '../harness/tools.ts';

const test = testWith(npmTool(import.meta.dirname));
const directory = mkdtempSync(join(tmpdir(), 'kindred-mcp-'));
ava.after.always('the certificate is removed', () => rmSync(directory, { recursive: true }));
const authority = join(directory, 'ca.pem');
writeFileSync(authority, documentCertificate);
const getKindred = useKindred({
  REGISTRATION: 'open',
  CLIENT_ID_METADATA_DOCUMENTS: 'true',
  // The document's host is on this machine.
  FETCH_PRIVATE_ADDRESSES: 'true',
  NODE_EXTRA_CA_CERTS: authority,
});

interface Tokens {
  access_token: string;
  refresh_token?: string;
  scope?: string;
}

interface Registered {
  client_id: string;
  client_secret?: string;
}

/** The part of both SDKs that is used. */
interface Sdk {
  Client: new (
    info: object,
  ) => {
    connect: (transport: Transport) => Promise<void>;
    callTool: (call: object) => Promise<{ content: { text: string }[] }>;
    close: () => Promise<void>;
  };
  StreamableHTTPClientTransport: new (url: URL, options: object) => Transport;
}

interface Transport {
  finishAuth: (code: string, iss?: string) => Promise<void>;
}

/** What an app keeps for an SDK, as the SDKs' examples do. */
function openStorage(redirectUrl: string, document?: string) {
  const kept: { client?: Registered; tokens?: Tokens; verifier?: string; url?: URL } = {};
  const provider = {
    redirectUrl,
    ...(document === undefined ? {} : { clientMetadataUrl: document }),
    clientMetadata: {
      client_name: 'SDK',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    clientInformation: () => kept.client,
    saveClientInformation: (client: Registered) => Object.assign(kept, { client }),
    tokens: () => kept.tokens,
    saveTokens: (tokens: Tokens) => Object.assign(kept, { tokens }),
    redirectToAuthorization: (url: URL) => Object.assign(kept, { url }),
    saveCodeVerifier: (verifier: string) => Object.assign(kept, { verifier }),
    codeVerifier: () => kept.verifier,
    invalidateCredentials: () => void delete kept.tokens,
  };
  return { kept, provider };
}

/** The loopback address of an app, to which the browser returns. */
async function listen(t: ExecutionContext) {
  const queries: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    queries.push(new URL(request.url ?? '', 'http://localhost').searchParams);
    response.end('<!doctype html><title>Back</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`, queries };
}

// The tests run one after the other, and may get the same port.
const known = new Set<string>();

async function setLifetime(kindred: Kindred, identifier: string, access_token_ttl: number): Promise<void> {
  const change = ['update-resource-server', identifier, '--metadata', '-'];
  await kindred.command(change, JSON.stringify({ access_token_ttl }));
}

/** Starts the MCP server of the page, registered with tokens that live for a second. */
async function startMcpServer(t: ExecutionContext, kindred: Kindred, folder: string): Promise<string> {
  const port = await freePort();
  const app = `http://127.0.0.1:${port}`;
  const mcp = `${app}/mcp`;
  const cwd = await layOut(t, 'mcp', folder, { [example.issuer]: kindred.issuer, [example.app]: app });
  const scopes = ['--scope', 'mcp:read', '--scope', 'mcp:write'];
  if (!known.has(mcp)) await kindred.command(['create-resource-server', '--identifier', mcp, ...scopes]);
  known.add(mcp);
  await setLifetime(kindred, mcp, 1);
  const env = { ...kindred.trust, PORT: String(port) };
  await runApp(t, process.execPath, ['server.js'], { cwd, env, port });
  return mcp;
}

async function useSdk(t: ExecutionContext, folder: string, modules: string[], described: boolean) {
  const require = createRequire(join(folder, 'package.json'));
  const loaded = await Promise.all(modules.map((name) => import(require.resolve(name))));
  const sdk: Sdk = Object.assign({}, ...loaded);
  const kindred = await getKindred();
  const person = await kindred.createUser();
  const mcp = await startMcpServer(t, kindred, folder);
  const back = await listen(t);
  // As published by clients for the terminal: no authentication method, and the port is chosen by each login (RFC 8252, 7.3).
  const redirect_uris = ['http://localhost/callback', 'http://127.0.0.1/callback'];
  const document = described
    ? await serveDocument(t, { token_endpoint_auth_method: undefined, redirect_uris })
    : undefined;
  const { kept, provider } = openStorage(back.url, document?.client_id);
  const open = () => new sdk.StreamableHTTPClientTransport(new URL(mcp), { authProvider: provider });
  const client = () => new sdk.Client({ name: 'test', version: '1.0.0' });

  const first = open();
  await t.throwsAsync(client().connect(first), { message: /Unauthorized/ });
  await openBrowser().logIn(String(kept.url), person);
  const [query] = back.queries;
  await first.finishAuth(query?.get('code') ?? '', query?.get('iss') ?? undefined);
  t.regex(kept.tokens?.scope ?? '', /\bmcp:read\b/);
  if (described) t.is(kept.client?.client_id, document?.client_id);
  const expired = kept.tokens?.access_token ?? '';
  await untilTime(Date.now() + 1_100);
  await setLifetime(kindred, mcp, 900);

  const connected = client();
  await connected.connect(open());
  t.teardown(() => connected.close());
  const callAtOnce = async (count: number) => {
    if (kept.tokens) kept.tokens = { ...kept.tokens, access_token: expired };
    const calls = Array.from({ length: count }, () => connected.callTool({ name: 'whoami', arguments: {} }));
    return (await Promise.all(calls)).map(({ content }) => content[0]?.text);
  };
  for (const count of [1, 3, 5]) t.deepEqual(await callAtOnce(count), Array(count).fill(person.id));

  const { client_id = '', client_secret } = kept.client ?? {};
  const token = kept.tokens?.refresh_token ?? '';
  const body = new URLSearchParams({ client_id, token, ...(client_secret ? { client_secret } : {}) });
  t.is((await fetch(`${kindred.issuer}/revoke`, { method: 'POST', body })).status, 200);
  delete kept.url;
  await t.throwsAsync(callAtOnce(1), { message: /Unauthorized/ });
  t.true(String(kept.url).startsWith(`${kindred.issuer}/authorize`), 'the user has to log in again');
}

const sdks: Record<string, string[]> = {
  'SDK 1': [
    '@modelcontextprotocol/sdk/client/index.js',
    '@modelcontextprotocol/sdk/client/streamableHttp.js',
  ],
  'SDK 2': ['@modelcontextprotocol/client'],
};

for (const [name, modules] of Object.entries(sdks)) {
  test(`MCP ${name} registers itself, stays signed in with calls at once, and signs out`, async (t, folder) =>
    await useSdk(t, folder, modules, false));
  test(`MCP ${name} does so as a client that a document describes`, async (t, folder) =>
    await useSdk(t, folder, modules, true));
}
