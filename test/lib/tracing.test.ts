import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import { login, refresh, tokensOf } from '../helpers/oauth.ts';
import { environment } from '../helpers/server.ts';
import { spawnServer } from '../helpers/server_process.ts';
import { testOnStores } from '../helpers/stores.ts';

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  status: { code?: number };
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
}

interface Export {
  resourceSpans: { resource: Pick<Span, 'attributes'>; scopeSpans: { spans: Span[] }[] }[];
}

/** A collector as OTLP over HTTP describes it: takes JSON, answers 200. */
async function startCollector(t: ExecutionContext) {
  const received: { path: string; header: string | undefined; body: Export }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      received.push({
        path: request.url ?? '',
        header: request.headers['x-tenant'] as string | undefined,
        body: JSON.parse(body),
      });
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const spans = () =>
    received
      .flatMap(({ body }) => body.resourceSpans)
      .flatMap((one) => one.scopeSpans)
      .flatMap((one) => one.spans);
  return { url: `http://127.0.0.1:${port}`, received, spans };
}

function attributesOf({ attributes }: Pick<Span, 'attributes'>): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
}

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

testOnStores(
  "a request and its queries are one trace, which continues the caller's trace and contains no values of the request",
  async (t, store) => {
    const collector = await startCollector(t);
    const { url, child, exited } = await spawnServer(t, store.url, {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=ours',
      OTEL_SERVICE_NAME: 'login',
    });
    const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
    const [user, client] = [await makeUser(store.db), await makeClient(store.db)];
    const tokens = tokensOf(await login(server, user, client));
    const answer = await refresh(server, client, tokens.refresh_token, {}, { headers: { traceparent } });
    await send(`${url}/no/such/${user.username}?code=what-was-sent`);
    await send(`${url}/healthz`);
    child.kill('SIGTERM');
    t.is(await exited, 0);

    const [first] = collector.received;
    t.deepEqual([first?.path, first?.header], ['/v1/traces', 'ours']);
    t.like(attributesOf(first?.body.resourceSpans[0]?.resource ?? { attributes: [] }), {
      'service.name': 'login',
    });

    const spans = collector.spans();
    const requests = spans.filter((span) => span.kind === 2);
    t.deepEqual(
      requests.map((span) => span.name),
      ['POST /token', 'POST /token', 'GET other'],
      'flushed at the end, probes left out',
    );
    const [, refreshed] = requests;
    t.deepEqual(
      [refreshed?.traceId, refreshed?.parentSpanId],
      ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'],
    );
    t.deepEqual(attributesOf(refreshed as Span), {
      'http.request.method': 'POST',
      'http.route': '/token',
      'http.response.status_code': 200,
      'kindred.request_id': answer.headers['x-request-id'],
    });
    const queries = spans.filter((span) => span.parentSpanId === refreshed?.spanId);
    t.deepEqual(
      queries.filter((span) => span.name.endsWith(' sessions')).map((span) => span.name),
      // SQLite reads the salt first.
      store.name === 'postgres' ? ['update sessions'] : ['select sessions', 'update sessions'],
    );
    const system = store.name === 'postgres' ? 'postgresql' : 'sqlite';
    t.deepEqual(attributesOf(queries.find((span) => span.name === 'update sessions') as Span), {
      'db.system.name': system,
      'db.operation.name': 'update',
      'db.collection.name': 'sessions',
    });
    t.true(
      spans.filter((span) => span.kind === 3).every((span) => span.parentSpanId),
      'no query without a request',
    );
    const sent = JSON.stringify(collector.received);
    for (const value of [
      password,
      tokens.refresh_token,
      tokens.access_token,
      user.id,
      user.username,
      'what-was-sent',
      '127.0.0.1',
    ]) {
      t.false(sent.includes(value), value);
    }
  },
);

testOnStores('an unreachable collector fails no request and delays no shutdown', async (t, store) => {
  const { url, child, exited } = await spawnServer(t, store.url, {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
  });
  t.is((await send(`${url}/jwks`)).status, 200);
  child.kill('SIGTERM');
  t.is(await exited, 0, 'with 1 it would have given up');
});

async function modulesOf(databaseUrl: string, settings: Record<string, string>): Promise<string[]> {
  const script = fileURLToPath(new URL('children/list_modules.ts', import.meta.url));
  const env = { PATH: process.env.PATH, ...environment(databaseUrl, settings) };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse((await text(child.stdout)).trim().split('\n').at(-1) ?? '');
}

testOnStores('the SDK is loaded only when traces are configured', async (t, store) => {
  // What remains is the interface, a few no-ops, which the metrics' library brings along.
  t.deepEqual(await modulesOf(store.url, {}), ['@opentelemetry/api']);
  const { url } = await startCollector(t);
  const loaded = await modulesOf(store.url, { OTEL_EXPORTER_OTLP_ENDPOINT: url });
  t.true(loaded.includes('@opentelemetry/sdk-trace'), 'the test would see it');
});
