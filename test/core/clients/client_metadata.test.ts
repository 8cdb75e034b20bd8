import test from 'ava';
import { newClient } from '../../../src/core/clients/client_metadata.ts';

test('unknown or malformed metadata is refused', (t) => {
  const isFine = (given: Record<string, unknown>) => newClient.safeParse(given).success;
  for (const given of [
    { colour: 'red' },
    { secrets: [] },
    { client_secret_hash: 'x' },
    { client_id: '' },
    { client_id: 'a b' },
    { client_id: 'ä' },
    { client_id: 'a\0' },
    { client_id: 'x'.repeat(201) },
    { client_name: 'x', client_secret: '' },
    { client_name: 'x', client_secret: 'x'.repeat(21) },
    { client_name: 'x', client_secret: 'x'.repeat(513) },
    { client_name: 'x', client_secret: 'ä'.repeat(30) },
    { client_name: 'x', client_secret: `${'x'.repeat(30)}\n` },
    {},
    { first_party: false },
    { redirect_uris: ['https://app.example/*'] },
    { redirect_uris: ['https://*.app.example/cb'] },
    { post_logout_redirect_uris: ['https://app.example/*'] },
    { access_token_ttl: 86_401 },
    { default_resource: 'orders' },
    { token_endpoint_auth_method: 'client_secret_jwt' },
    { rotation_profile: 'lax' },
    { refresh_token_retry_window: -1 },
    { refresh_token_retry_window: 86_401 },
    { access_token_ttl: 0 },
    { session_idle_ttl: 1.5 },
    { session_absolute_ttl: 2 ** 31 },
    { max_sessions: 0 },
    { max_sessions: 1_001 },
    { max_sessions: 1.5 },
    { scope: '' },
    { scope: 'a  b' },
    { resource_server: 'orders' },
    { allowed_origins: ['https://app.example/'] },
    { allowed_origins: ['https://app.example/path'] },
    { allowed_origins: ['*'] },
    { allowed_origins: ['null'] },
    { allowed_origins: ['chrome-extension://abc'] },
    { first_party: 'yes' },
  ]) {
    t.false(isFine(given), JSON.stringify(given).slice(0, 60));
  }
  t.true(isFine({ client_name: 'x', client_secret: 'with spaces, of RFC 6749' }));
  t.true(isFine({ allowed_origins: ['https://app.example', 'http://localhost:8080'], scope: 'a b' }));
});
