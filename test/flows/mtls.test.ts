// Tokens and clients that are bound to certificates (RFC 8705), which a trusted proxy forwards in a header.
import { readCertificate } from '../../src/lib/certificate.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { one, thumbprintOf, two } from '../helpers/certificates.ts';
import { assertRefused, send } from '../helpers/client.ts';
import { login, refresh, tokensOf } from '../helpers/oauth.ts';
import { testOnOwnServers } from '../helpers/server.ts';

const header = 'x-client-cert';
const settings = { MTLS_CERTIFICATE_HEADER: header, TRUST_PROXY: '127.0.0.1' };
const pem = (der: string) =>
  encodeURIComponent(`-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`);
const shown = (value: string) => ({ headers: { [header]: value } });

testOnOwnServers(
  'tokens bound to a certificate are valid only with it, also after a refresh',
  settings,
  async (t, server) => {
    const client = await makeClient(server.db, { tls_client_certificate_bound_access_tokens: true });
    const user = await makeUser(server.db);
    const without = await login(server, user, client);
    t.is(without.body?.error, 'invalid_grant');
    const tokens = tokensOf(await login(server, user, client, {}, shown(pem(one))));
    const claims = JSON.parse(Buffer.from(tokens.access_token.split('.')[1] ?? '', 'base64url').toString());
    t.deepEqual(claims.cnf, { 'x5t#S256': thumbprintOf(one) });

    const me = async (headers: Record<string, string>) =>
      await send(`${server.url}/api/me`, {
        headers: { Authorization: `Bearer ${tokens.access_token}`, ...headers },
      });
    t.is((await me({ [header]: pem(one) })).status, 200);
    t.is((await me({ [header]: `:${one}:` })).status, 200, 'RFC 9440');
    const wrong: Record<string, string>[] = [
      {},
      { [header]: pem(two) },
      { [header]: 'nonsense' },
      { [header]: '' },
    ];
    for (const bad of wrong) {
      t.is((await me(bad)).status, 401);
    }
    t.is(
      (await refresh(server, client, tokens.refresh_token, {}, shown(pem(two)))).body?.error,
      'invalid_grant',
    );
    t.is((await refresh(server, client, tokens.refresh_token)).body?.error, 'invalid_grant');
    const next = await refresh(server, client, tokens.refresh_token, {}, shown(pem(one)));
    t.is(next.status, 200, 'the refusals before it did not use up the token');
  },
);

testOnOwnServers(
  'a certificate header that no trusted proxy has set is ignored',
  { ...settings, TRUST_PROXY: '192.0.2.1' },
  async (t, server) => {
    const client = await makeClient(server.db, { tls_client_certificate_bound_access_tokens: true });
    const answer = await login(server, await makeUser(server.db), client, {}, shown(pem(one)));
    t.is(answer.body?.error, 'invalid_grant');
  },
);

testOnOwnServers(
  'a client authenticates with the certificate that it has registered',
  settings,
  async (t, server) => {
    const client = await makeClient(server.db, {
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      grant_types: ['client_credentials'],
      jwks: { keys: [{ ...keyOf(one), x5c: [one] }] },
    });
    const ask = async (value?: string) =>
      await send(`${server.url}/token`, {
        form: { grant_type: 'client_credentials', client_id: client.client_id },
        ...(value === undefined ? {} : shown(value)),
      });
    t.is((await ask(pem(one))).status, 200);
    for (const bad of [undefined, pem(two), 'nonsense']) {
      assertRefused(t, await ask(bad), { status: 401, error: 'invalid_client' });
    }
  },
);

function keyOf(der: string) {
  const key = readCertificate(`:${der}:`)?.publicKey.export({ format: 'jwk' });
  return { ...key, use: 'sig' };
}
