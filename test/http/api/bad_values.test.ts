// Values that are unknown, meaningless or far too long: each is refused, and no session suffers from it.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { newId } from '../../../src/lib/ids.ts';
import { attack } from '../../helpers/attack.ts';
import { type Answer, assertRefused, type Refusal, send } from '../../helpers/client.ts';
import { api, refresh, token, tokensOf } from '../../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';

const invalid: Refusal = { status: 400, error: 'invalid_request' };
const nothing: Refusal = { status: 404, error: 'not_found' };

testOnServers(
  'names that JavaScript uses itself, such as __proto__, are ordinary values',
  async (t, server) => {
    await attack(t, server, async ({ client, tokens }) => {
      for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
        const { client_id } = client;
        const form = { grant_type: name, client_id, [name]: 'x' };
        assertRefused(t, await token(server, form), { status: 400, error: 'unsupported_grant_type' }, name);
        const stranger = await token(server, { ...form, grant_type: 'password', client_id: name });
        assertRefused(t, stranger, { status: 401, error: 'invalid_client' }, name);
        const query = await api(server, `GET /sessions?${name}=1`, tokens.access_token);
        assertRefused(t, query, invalid, name);
        assertRefused(t, await api(server, `GET /sessions/${name}`, tokens.access_token), nothing, name);
      }
    });
  },
);

testOnServers('unknown and malformed query parameters are refused', async (t, server) => {
  await attack(t, server, async ({ tokens }) => {
    const cursor = (value: string) => `cursor=${Buffer.from(value).toString('base64url')}`;
    const sql = cursor(`["2030-01-01T00:00:00.000Z","' or 1=1"]`);
    const bad = [
      'limit=0',
      'limit=-1',
      'limit=201',
      'limit=x',
      'limit=1.5',
      'limit=',
      'limit=1&limit=2',
      'limit=1e99',
    ];
    const cursors = [
      'cursor=x',
      'cursor=',
      cursor('{}'),
      cursor('[]'),
      cursor('["x","y"]'),
      sql,
      cursor('null'),
    ];
    for (const query of [...bad, ...cursors, 'unknown=1', 'limit[]=1', `cursor=${'x'.repeat(600)}`]) {
      const answer = await api(server, `GET /sessions?${query}`, tokens.access_token);
      assertRefused(t, answer, invalid, query.slice(0, 60));
    }
  });
});

testOnServers(
  'a query of more than 50 parameters is refused on every path; a long one is not',
  async (t, server) => {
    const query = (count: number) => Array.from({ length: count }, () => 'a=b').join('&');
    for (const path of ['/api/openapi.json', '/authorize', '/device', '/logout', '/account', '/nothing']) {
      assertRefused(t, await send(`${server.url}${path}?${query(51)}`), invalid, path);
      assertRefused(t, await send(`${server.url}${path}?${'&'.repeat(12_000)}`), invalid, path);
      const answer = await send(`${server.url}${path}?${query(50)}`);
      t.not(answer.body.error_description, 'The query has too many parameters.', path);
    }
    const long = await send(`${server.url}/api/openapi.json?state=${'x'.repeat(15_000)}`);
    t.not(long.body.error_description, 'The query has too many parameters.');
  },
);

testOnServers('an id that is not a UUID is not found; upper case means the same id', async (t, server) => {
  await attack(t, server, async ({ tokens }) => {
    const { session_id, access_token } = tokens;
    const bad = [
      'x',
      '1',
      '%00',
      '%ff',
      `${session_id}0`,
      session_id.slice(1),
      session_id.replaceAll('-', ''),
      `%7B${session_id}%7D`,
      `${session_id}%0A`,
      "'%20or%20'1'='1",
      newId(),
      '00000000-0000-0000-0000-000000000000',
      'x'.repeat(2_000),
    ];
    for (const id of bad) {
      for (const line of ['GET /sessions/', 'DELETE /sessions/', 'GET /devices/', 'DELETE /devices/']) {
        assertRefused(t, await api(server, line + id, access_token), nothing, line + id.slice(0, 60));
      }
      const renamed = await api(server, `PATCH /devices/${id}`, access_token, { json: { name: 'x' } });
      assertRefused(t, renamed, nothing, id.slice(0, 60));
    }
    for (const session_id of ['x', '', 1, null, '\0', [newId()], { id: newId() }]) {
      const answer = await api(server, 'POST /logout', access_token, { json: { session_id } });
      assertRefused(t, answer, invalid, JSON.stringify(session_id));
    }
    const upper = await api(server, `GET /sessions/${session_id.toUpperCase()}`, access_token);
    t.deepEqual([upper.status, upper.body.id], [200, session_id]);
  });
});

testOnServers('very long and unusual headers do no harm', async (t, server) => {
  await attack(t, server, async ({ client, tokens }) => {
    const agent = { 'User-Agent': `agent/${'x'.repeat(8_000)}` };
    const next = await refresh(server, client, tokens.refresh_token, {}, { headers: agent });
    tokens.refresh_token = tokensOf(next).refresh_token;
    const { body } = await api(server, `GET /sessions/${tokens.session_id}`, tokens.access_token);
    t.is(String(body.user_agent).length, 512);
    const long = await send(`${server.url}/api/me`, { token: 'x'.repeat(12_000) });
    assertRefused(t, long, { status: 401, error: 'invalid_token' });
    const huge: Answer = await send(`${server.url}/api/me`, { headers: { 'X-Long': 'x'.repeat(40_000) } });
    t.deepEqual([huge.status, huge.text], [431, '']);
    t.is(await raw(server, 'GET /api/me HTTP/1.1\r\n\r\n'), 400, 'no Host');
    t.is(await raw(server, 'POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n'), 400);
    const both = 'Content-Length: 3\r\nTransfer-Encoding: chunked';
    t.is(await raw(server, `POST /token HTTP/1.1\r\nHost: x\r\n${both}\r\n\r\n0\r\n\r\n`), 400, 'smuggling');
    t.is(await raw(server, '\x16\x03\x01\x02\x00\r\n\r\n'), 400, 'a TLS handshake');
  });
});

/** The status of the answer to bytes that are barely HTTP. */
async function raw(server: TestServer, bytes: string): Promise<number> {
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.end(bytes);
  return Number((await text(socket)).split(' ')[1]);
}
