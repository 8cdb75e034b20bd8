// The endpoints that the OpenAPI document does not describe, with valid values of their parameters.
import { callback, client, type Endpoint, grants, publicClient } from './grants.ts';

const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

const authorize = {
  client_id: ['{{web_client_id}}', '{{web_client_id}}', '{{client_id}}', '{{registered_client}}'],
  redirect_uri: [callback],
  response_type: ['code', 'code', 'code id_token', 'none', 'token'],
  scope: ['openid', 'openid profile email', 'openid orders:read', 'admin'],
  state: ['x'],
  nonce: ['y'],
  code_challenge: [challenge],
  code_challenge_method: ['S256', 'S256', 'plain'],
  prompt: ['', 'none', 'login', 'consent', 'select_account', 'none login', 'create'],
  max_age: ['', '0', '600', '-1', '1e9'],
  resource: ['', '{{resource}}', '{{issuer}}/api'],
  response_mode: ['', 'query', 'fragment', 'form_post', 'jwt'],
  claims: ['', '{"id_token":{"email":null}}', '{"userinfo":{"sub":{"value":"x"}}}', '{'],
  request: ['', '{{assertion}}', 'a.b.c'],
  request_uri: ['', '', '{{request_uri}}'],
  id_token_hint: ['', '{{id_token}}', '{{user_token}}'],
  login_hint: ['', '{{username}}'],
  acr_values: ['', 'urn:kindred:acr:password'],
  ui_locales: ['', 'de'],
};

const registration = {
  redirect_uris: [`["${callback}"]`, '["https://evil.localhost/#x"]', '["http://x.localhost"]', '[]', '[1]'],
  client_name: ['Stranger', '<script>alert(1)</script>'],
  token_endpoint_auth_method: ['none', 'client_secret_basic', 'private_key_jwt', 'client_secret_jwt'],
  grant_types: ['["authorization_code"]', '["password"]', '["client_credentials"]', '["__proto__"]', '[]'],
  response_types: ['["code"]', '["token"]', '[]'],
  jwks_uri: ['https://127.0.0.1:1/jwks', 'file:///etc/passwd'],
  logo_uri: ['https://127.0.0.1:1/x.png', 'javascript:alert(1)'],
  sector_identifier_uri: ['https://127.0.0.1:1/sector'],
  default_max_age: ['1', '-1', '99999999999'],
  id_token_signed_response_alg: ['ES256', 'none', 'HS256'],
  backchannel_logout_uri: ['https://127.0.0.1:1/logout'],
};

const tokens = ['{{user_token}}', '{{opaque_token}}', '{{refresh_token}}', '{{id_token}}', '{{code}}'];
const hints = ['', 'access_token', 'refresh_token', 'nonsense'];

const machines: Endpoint[] = [
  { method: 'POST', path: ['introspect'], fields: { token: tokens, token_type_hint: hints, ...client } },
  {
    method: 'POST',
    path: ['revoke'],
    fields: {
      token: ['{{refresh_token|flip:9}}', '{{id_token}}', '{{opaque_token}}'],
      token_type_hint: hints,
      ...client,
    },
  },
  { method: 'POST', path: ['par'], fields: authorize },
  {
    method: 'POST',
    path: ['device', 'authorize'],
    fields: { ...publicClient, scope: ['openid', 'openid nonsense'] },
  },
  { method: 'GET', path: ['userinfo'], token: '{{user_token}}' },
  {
    method: 'POST',
    path: ['userinfo'],
    token: '{{opaque_token}}',
    fields: { access_token: ['{{user_token}}'] },
  },
  { method: 'GET', path: ['jwks'] },
  { method: 'GET', path: ['.well-known', 'openid-configuration'] },
  { method: 'GET', path: ['.well-known', 'oauth-protected-resource', 'api'] },
  { method: 'POST', path: ['register'], fields: registration, isJson: true },
  ...['GET', 'PUT', 'DELETE'].map((method) => ({
    method,
    path: ['register', '{{registered_client}}'],
    token: '{{registration_token}}',
    ...(method === 'PUT'
      ? { fields: { client_id: ['{{registered_client}}'], ...registration }, isJson: true }
      : {}),
  })),
  { method: 'GET', path: ['healthz'] },
  { method: 'GET', path: ['{{session_id}}', '{{username}}'] },
];

const pages: Endpoint[] = [
  { method: 'GET', path: ['authorize'], fields: authorize, cookies: '{{account_cookies}}' },
  { method: 'POST', path: ['authorize'], fields: authorize, cookies: '{{cookies}}' },
  { method: 'GET', path: ['authorize', '{{interaction}}'], cookies: '{{cookies}}' },
  {
    method: 'GET',
    path: ['device'],
    fields: { user_code: ['{{user_code}}'] },
    cookies: '{{account_cookies}}',
  },
  {
    method: 'POST',
    path: ['device'],
    fields: { user_code: ['{{user_code}}'], xsrf: ['{{xsrf}}'], confirm: ['', 'yes'], abort: ['', 'yes'] },
    cookies: '{{account_cookies}}',
  },
  {
    method: 'GET',
    path: ['logout'],
    fields: {
      id_token_hint: ['', '{{id_token}}', '{{user_token}}'],
      client_id: ['', '{{web_client_id}}'],
      post_logout_redirect_uri: ['', callback, 'https://evil.localhost/'],
      state: ['', 'x'],
      logout_hint: ['', 'x'],
    },
    cookies: '{{account_cookies}}',
  },
  {
    method: 'POST',
    path: ['logout', 'confirm'],
    fields: { xsrf: ['{{xsrf}}'], logout: ['', 'yes'] },
    cookies: '{{cookies}}',
  },
  { method: 'GET', path: ['logout', 'success'], fields: { client_id: ['{{web_client_id}}'] } },
  { method: 'GET', path: ['interaction', '{{interaction}}'], cookies: '{{cookies}}' },
  ...['login', 'consent', 'switch', 'cancel'].map((action) => ({
    method: 'POST',
    path: ['interaction', '{{interaction}}', action],
    fields: {
      csrf: ['{{csrf}}', 'x'],
      username: ['{{username}}'],
      password: ['a wrong one'],
      decision: ['allow', 'deny'],
    },
    cookies: '{{cookies}}',
  })),
  {
    method: 'GET',
    path: ['account'],
    fields: { said: ['password_changed', 'x'], count: ['', '3'] },
    cookies: '{{account_cookies}}',
  },
  {
    method: 'POST',
    path: ['account', 'login'],
    fields: { csrf: ['{{login_csrf}}', 'x'], username: ['{{username}}'], password: ['wrong'] },
    cookies: '{{login_cookies}}',
  },
  ...[
    ['password'],
    ['sessions', 'end-others'],
    ['sessions', '{{ended_session_id}}', 'end'],
    ['devices', '{{device_id}}', 'rename'],
    ['browsers', '{{spare_user_id}}', 'end'],
    ['consents', '{{web_client_id}}', 'withdraw'],
  ].map((rest) => ({
    method: 'POST',
    path: ['account', ...rest],
    fields: {
      csrf: ['{{account_csrf}}'],
      name: ['x'],
      current_password: ['wrong'],
      new_password: ['a new and long one'],
    },
    cookies: '{{account_cookies}}',
  })),
  ...recoveryPages(),
];

// Each form with what it takes; the cookie names a request that nobody has made.
function recoveryPages(): Endpoint[] {
  const secret = 'x'.repeat(43);
  const fields = {
    login: ['{{username}}', 'nobody', 'ada@mail.example'],
    request: ['{{interaction}}', '//evil.example'],
    again: ['', '1'],
    code: ['123456', '12 34 56'],
    new_password: ['a new and long one', 'short'],
  };
  const cookies = `kindred_recovery=${secret}.{{interaction}}`;
  return ['', 'code', 'password', secret].flatMap((last) =>
    ['GET', 'POST'].map((method) => ({
      method,
      path: ['recover', ...(last === '' ? [] : [last])],
      fields,
      cookies,
    })),
  );
}

/** All these endpoints. */
export const endpoints: Endpoint[] = [...grants, ...machines, ...pages];
