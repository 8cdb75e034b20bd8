// What a request remembers belongs to it alone, and does not outlive a change that was answered before the request had arrived.
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import Koa from 'koa';
import { rememberReads, rememberVersion, seenByRequest } from '../../../src/oidc/request/seen.ts';

const versions = () => seenByRequest().version ?? null;

/** A server whose requests read one version at once and another when their body has arrived. */
async function serve(t: ExecutionContext, isReading: () => void): Promise<number> {
  const app = new Koa();
  app.use(rememberReads);
  app.use(async (ctx) => {
    await new Promise(setImmediate);
    rememberVersion(1);
    const early = versions();
    isReading();
    await text(ctx.req);
    rememberVersion(2);
    ctx.body = { early, late: versions() };
  });
  const server = createServer(app.callback()).listen(0, '127.0.0.1');
  t.teardown(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

test('a version that was read before the body had arrived is not remembered', async (t) => {
  const { promise: isRead, resolve } = Promise.withResolvers<void>();
  const port = await serve(t, resolve);
  const sent = request({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': 2 } });
  const answered = new Promise<string>((resolve, reject) => {
    sent.on('error', reject).on('response', (response) => void text(response).then(resolve, reject));
  });
  sent.write('a');
  await isRead;
  t.is(await (await fetch(`http://127.0.0.1:${port}`)).text(), '{"early":1,"late":1}', 'one without a body');
  sent.end('b');
  t.is(await answered, '{"early":null,"late":2}');
});

test('outside of a request nothing is remembered', (t) => {
  rememberVersion(1);
  t.deepEqual(seenByRequest(), {});
});
