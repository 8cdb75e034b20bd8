// A request whose client has disconnected before the server gets to it.
import { request } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { introspect, refresh, signIn, tokensOf } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';

testOnServers(
  'a request whose client has disconnected is not treated as reuse when a slow node gets to it',
  async (t, server) => {
    const { client, tokens } = await signIn(server);
    const next = tokensOf(await refresh(server, client, tokens.refresh_token));
    const form = {
      grant_type: 'refresh_token',
      client_id: client.client_id,
      refresh_token: tokens.refresh_token,
    };
    const held = async () =>
      await server.db.transaction(async (tx) => {
        // From here on the server cannot even read the session.
        await tx.raw('lock table sessions in access exclusive mode');
        const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
        const asked = request(`${server.url}/token`, { method: 'POST', headers, agent: false });
        asked.on('error', () => {}).end(new URLSearchParams(form).toString());
        const waiting = async () =>
          await tx('pg_locks').where({ granted: false, relation: tx.raw("'sessions'::regclass") as never });
        await until(async () => (await waiting()).length > 0, 'the request waits for the lock');
        await new Promise((closed) => asked.once('close', closed).destroy());
        // The server runs in this process: it notices the disconnect at its next poll for input.
        for (let round = 0; round < 10; round += 1) await setImmediate();
      });
    const busy = async () =>
      await server
        .db('pg_stat_activity')
        .where('datname', server.db.raw('current_database()'))
        .whereNot('state', 'idle')
        .whereNot('pid', server.db.raw('pg_backend_pid()'));
    await held();
    // The request is finished when every connection of the pool has answered a later one.
    for (let i = 0; i < 20; i += 1) await introspect(server, next.access_token);
    await until(async () => (await busy()).length === 0, 'the server runs no statement');
    const row = await server.db<Session>('sessions').where({ id: tokens.session_id }).first();
    t.deepEqual([row?.ended_reason, row?.generation], [null, 1]);
    const last = tokensOf(await refresh(server, client, next.refresh_token));
    const reused = await refresh(server, client, next.refresh_token);
    t.is(reused.body.reason, 'token_reused', 'a client that waits for the answer gets it');
    t.is((await introspect(server, last.access_token)).active, false);
  },
  ['postgres'],
);
