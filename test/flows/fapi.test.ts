// Clients of the FAPI 2.0 Security Profile from the pushed request to the last refresh, with DPoP and with certificates.
import type { ExecutionContext } from 'ava';
import { makeUser } from '../helpers/builders.ts';
import { two } from '../helpers/certificates.ts';
import { granted, send } from '../helpers/client.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import {
  ask,
  certificateSettings,
  codeForm,
  type FapiClient,
  getCode,
  makeCertificateClient,
  makeDpopClient,
  push,
  refreshForm,
  requestOf,
  showCertificate,
} from '../helpers/fapi.ts';
import { introspect, type Tokens, tokensOf } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';

/** Moves the last rotation of the session into the past; the session itself stays live. */
async function waitHours({ db }: TestServer, { session_id }: Tokens, hours: number): Promise<void> {
  const rotated_at = new Date(Date.now() - hours * 3_600_000);
  await db('sessions').where({ id: session_id }).update({ rotated_at });
}

async function userinfo(client: FapiClient, { access_token }: Tokens, headers: Record<string, string>) {
  return (await send(`${client.server.url}/userinfo`, { token: access_token, headers })).status;
}

/** The whole life of a login; `bearer` is what a thief of the access token can send, the rest is the client's own. */
async function live(t: ExecutionContext, client: FapiClient, scheme: string): Promise<Tokens[]> {
  const { server } = client;
  const first = tokensOf(await ask(client, codeForm(await getCode(client))));
  t.is(first.token_type, scheme);
  t.truthy((await introspect(server, first.access_token)).cnf);
  const url = `${server.url}/userinfo`;
  const headers = await client.prove(url, 'GET', first.access_token);
  const own = { headers: { ...headers, Authorization: `${scheme} ${first.access_token}` } };
  t.is(granted(await send(url, own)).sub, client.user.id);
  t.is(await userinfo(client, first, {}), 401, 'a thief has no proof');

  const second = tokensOf(await ask(client, refreshForm(first.refresh_token)));
  for (const hours of [1, 30, 6 * 24]) {
    await waitHours(server, first, hours);
    const retried = tokensOf(await ask(client, refreshForm(first.refresh_token)));
    t.is(retried.refresh_token, second.refresh_token, `${hours} hours after the answer was lost`);
    t.truthy((await introspect(server, retried.access_token)).cnf);
  }
  return [first, second];
}

/** Two rotations later the first token is reuse, which ends the session. */
async function endByReuse(t: ExecutionContext, client: FapiClient, [first, second]: Tokens[]): Promise<void> {
  const third = tokensOf(await ask(client, refreshForm(second?.refresh_token ?? '')));
  const reused = await ask(client, refreshForm(first?.refresh_token ?? ''));
  t.like(reused, { status: 400 });
  t.like(reused.body, { error: 'invalid_grant', reason: 'token_reused' });
  t.like((await ask(client, refreshForm(third.refresh_token))).body, {
    error: 'invalid_grant',
    reason: 'session_ended',
  });
}

testOnServers('with DPoP, a lost answer is repeated for as long as the session lives', async (t, server) => {
  const client = await makeDpopClient(server);
  await endByReuse(t, client, await live(t, client, 'DPoP'));
});

testOnOwnServers(
  'with a certificate, a lost answer is repeated for as long as the session lives',
  certificateSettings,
  async (t, server) => {
    const client = await makeCertificateClient(server);
    const [first, second] = await live(t, client, 'Bearer');
    const refresh = refreshForm(first?.refresh_token ?? '');
    for (const headers of [{}, showCertificate(two)])
      t.is((await ask(client, refresh, { headers })).body.error, 'invalid_client');
    t.is(await userinfo(client, first as Tokens, showCertificate(two)), 401);
    await endByReuse(t, client, [first as Tokens, second as Tokens]);
  },
);

testOnServers('a refresh needs the client’s own key and a proof', async (t, server) => {
  const client = await makeDpopClient(server);
  const otherClient = await makeDpopClient(server);
  const forger = { ...client, authenticate: otherClient.authenticate };
  const tokens = tokensOf(await ask(client, codeForm(await getCode(client))));
  const refresh = refreshForm(tokens.refresh_token);
  t.like((await ask(client, refresh, { headers: {} })).body, {
    error: 'invalid_grant',
    error_description: 'A DPoP proof is needed here, and the request has none.',
  });
  t.is(
    (await ask(client, refresh, { authentication: { client_id: client.client_id } })).body.error,
    'invalid_client',
  );
  t.is((await ask(forger, refresh)).body.error, 'invalid_grant');
  const next = tokensOf(await ask(client, refresh));
  t.is(
    (await ask(client, refresh, { headers: {} })).body.error,
    'invalid_grant',
    'nor a retry without a proof',
  );
  const other = { DPoP: await proofFor(await makeKey(), 'POST', `${server.url}/token`) };
  const moved = tokensOf(await ask(client, refreshForm(next.refresh_token), { headers: other }));
  const [before, after] = [
    await introspect(server, next.access_token),
    await introspect(server, moved.access_token),
  ];
  t.notDeepEqual(after.cnf, before.cnf, 'the client may choose another DPoP key (RFC 9449, 5)');
});

testOnServers('a code is exchanged once, with its verifier and a proof', async (t, server) => {
  const client = await makeDpopClient(server);
  const form = codeForm(await getCode(client));
  t.is((await ask(client, form, { headers: {} })).body.error, 'invalid_grant');
  t.is((await ask(client, { ...form, code_verifier: undefined })).body.error, 'invalid_grant');
  const tokens = tokensOf(await ask(client, form));
  t.is((await ask(client, form)).body.error, 'invalid_grant', 'the code was used');
  t.like((await ask(client, refreshForm(tokens.refresh_token))).body, {
    error: 'invalid_grant',
    reason: 'session_ended',
  });
});

testOnServers(
  'an authorization request is pushed, and names PKCE and its redirect URI',
  async (t, server) => {
    const client = await makeDpopClient(server);
    const query = new URLSearchParams(requestOf(client) as Record<string, string>);
    const plain = await client.ua.send(`${server.url}/authorize?${query}`);
    const back = new URL(plain.location ?? '').searchParams;
    t.deepEqual([back.get('error'), back.get('code')], ['invalid_request', null]);
    const lacking = [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge_method: 'plain' },
      { redirect_uri: undefined },
    ];
    for (const given of lacking) {
      const answer = await push(client, requestOf(client, given));
      t.deepEqual([answer.status, answer.body.error], [400, 'invalid_request'], JSON.stringify(given));
    }
  },
);

testOnServers('a machine of the profile gets bound tokens alone', async (t, server) => {
  const client = await makeDpopClient(server, { redirect_uris: [], scope: 'orders:read' });
  const orders = await makeResourceServer(server);
  const form = { grant_type: 'client_credentials', ...orders.form };
  t.is((await ask(client, form, { headers: {} })).body.error, 'invalid_grant');
  t.is(granted(await ask(client, form)).token_type, 'DPoP');
  const password = { grant_type: 'password', username: (await makeUser(server.db)).username, password: 'x' };
  t.is((await ask(client, password)).body.error, 'unauthorized_client');
});
