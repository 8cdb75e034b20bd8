// What the log says about a client that refuses a logout token.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { enqueueBackchannelLogouts } from '../../../src/core/sessions/backchannel_queue.ts';
import { newId } from '../../../src/lib/ids.ts';
import { makeClient } from '../../helpers/builders.ts';
import { webClient } from '../../helpers/code_flow.ts';
import { spawnServer } from '../../helpers/server_process.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

/** A notice to a client whose server answers like this. */
async function addNotice(t: ExecutionContext, { db }: Store, answer: RequestListener): Promise<string> {
  const receiver = createServer(answer).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  t.teardown(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const { port } = receiver.address() as AddressInfo;
  const backchannel_logout_uri = `http://127.0.0.1:${port}/`;
  const { client_id } = await makeClient(db, { ...webClient, backchannel_logout_uri });
  await enqueueBackchannelLogouts(db, [{ id: newId(), user_id: newId(), client_id }]);
  return client_id;
}

const long = 'x'.repeat(5_000);
const refusals: [answer: string, logged: object | undefined][] = [
  [
    JSON.stringify({ error: 'invalid_request', error_description: 'no\nkey', logout_token: 'secret' }),
    { error: 'invalid_request', error_description: 'no key' },
  ],
  [JSON.stringify({ error: long.slice(0, 2_000), error_description: 5 }), { error: long.slice(0, 300) }],
  [JSON.stringify({ error: long }), undefined],
  ['<h1>Not here</h1>', undefined],
  ['null', {}],
];

testOnStores('the log says why a client refused a logout token, and nothing more', async (t, store) => {
  const expected = new Map<string, object | undefined>();
  for (const [text, logged] of refusals) {
    const client_id = await addNotice(t, store, (_request, response) => response.writeHead(400).end(text));
    expected.set(client_id, logged);
  }
  const endless = await addNotice(t, store, (_request, response) => response.writeHead(400).write('{'));
  expected.set(endless, undefined);
  const settings = { FETCH_PRIVATE_ADDRESSES: 'true', LOG_LEVEL: 'warn' };
  const { lines, output } = await spawnServer(t, store.url, settings);
  const found = () => lines().filter(({ msg }) => msg === 'a logout notice was not taken');
  await until(() => found().length >= expected.size, 'every refusal is logged');
  const logged = new Map(found().map(({ client_id, answer }) => [client_id, answer]));
  for (const [client_id, answer] of expected) t.deepEqual(logged.get(client_id), answer);
  t.is(logged.size, expected.size);
  t.false(output().includes('logout_token'));
});
