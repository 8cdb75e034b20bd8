// The endpoints of the protocol for the OpenAPI document: what a program sends and gets there. The discovery document
// stays the first place to look; what is switched on differs from deployment to deployment.
import type { Json } from './openapi_schemas.ts';

const tag = 'OAuth 2.0 and OpenID Connect';

/** How a client says who it is: by HTTP Basic, by its secret or an assertion in the form, or by its name alone. */
const byClient = [{ client: [] }, {}];

const text = (description: string, more: Json = {}): Json => ({ type: 'string', description, ...more });
const number = (description: string): Json => ({ type: 'integer', description });

const client = {
  client_id: text('the client, unless it authenticates by HTTP Basic'),
  client_secret: text('with `client_secret_post`'),
  client_assertion_type: text('with `private_key_jwt`', {
    enum: ['urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
  }),
  client_assertion: text('with `private_key_jwt`: the signed assertion'),
};

const grants = {
  grant_type: text('what the client presents', {
    enum: [
      'password',
      'refresh_token',
      'client_credentials',
      'authorization_code',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
  }),
  username: text('`password`: username or e-mail address'),
  password: text('`password`: the password'),
  refresh_token: text('`refresh_token`: the newest one of the session'),
  code: text('`authorization_code`: the code'),
  redirect_uri: text('`authorization_code`: the same as in the authorization request'),
  code_verifier: text('`authorization_code`: the PKCE verifier'),
  device_code: text('`device_code`: the one of the device authorization'),
  scope: text('space-delimited; what the client may have when absent'),
  resource: text('the API that the tokens are for (RFC 8707), as it is registered'),
  device_id: text('`password`: what the client calls the device'),
  device_secret: text(
    '`password`: the one that the last login of this user answered for this `device_id`; strangers cannot lock such a device out',
  ),
  device_name: text('`password`: a name of the device for people'),
  platform: text('`password`: for the list of devices'),
  app_version: text('`password`: for the list of devices'),
  push_token: text('`password`: where the device takes notifications'),
};

const schemas = {
  TokenRequest: {
    type: 'object',
    required: ['grant_type'],
    properties: { ...grants, ...client },
    examples: [
      {
        grant_type: 'password',
        client_id: 'phone-app',
        username: 'ada',
        password: 'a phrase that only Ada knows',
        device_id: 'a3f1c9e2',
      },
      { grant_type: 'refresh_token', client_id: 'phone-app', refresh_token: 'krt_EXAMPLE' },
    ],
  },
  TokenResponse: {
    type: 'object',
    required: ['access_token', 'token_type', 'expires_in'],
    properties: {
      access_token: text('a JWT (RFC 9068), or opaque where the API is registered so'),
      token_type: text('how to present it', { enum: ['Bearer', 'DPoP'] }),
      expires_in: number('seconds'),
      refresh_token: text('to be stored in the place of the one before; for clients with this grant'),
      refresh_token_expires_in: number('seconds, if it is not used before'),
      id_token: text('with the scope `openid`'),
      scope: text('what was granted'),
      session_id: text('the session that the tokens belong to'),
      device_secret: text(
        'of a login with `device_id`: to be kept, and sent with the next login on the device',
      ),
    },
    examples: [
      {
        access_token: 'EXAMPLE',
        token_type: 'Bearer',
        expires_in: 900,
        refresh_token: 'krt_EXAMPLE',
        refresh_token_expires_in: 604_800,
        scope: 'account',
        session_id: '019cad2e-7a3f-7d11-8a60-5be1c2f4a9d3',
      },
    ],
  },
  TokenToJudge: {
    type: 'object',
    required: ['token'],
    properties: {
      token: text('an access token or a refresh token'),
      token_type_hint: text('where to look first', { enum: ['access_token', 'refresh_token'] }),
      ...client,
    },
    examples: [{ token: 'EXAMPLE', client_id: 'gateway', client_secret: 'EXAMPLE' }],
  },
  Introspection: {
    type: 'object',
    required: ['active'],
    properties: {
      active: { type: 'boolean', description: 'whether the token is good now, for the client that asks' },
      iss: text('who issued it'),
      sub: text('the user, or the client of a token of its own'),
      aud: text('the API that it is for'),
      client_id: text('the client that it was issued to'),
      scope: text('what it allows'),
      sid: text('its session'),
      exp: number('when it expires, seconds since 1970'),
      iat: number('when it was issued, seconds since 1970'),
      token_type: text('how it is presented'),
    },
    examples: [{ active: false }],
  },
  AuthorizationRequest: {
    type: 'object',
    required: ['client_id', 'response_type'],
    properties: {
      response_type: text('the code flow is the only one', { enum: ['code'] }),
      redirect_uri: text('one of those registered'),
      scope: text('space-delimited'),
      resource: text('the API that the tokens are for (RFC 8707)'),
      state: text('given back with the code'),
      nonce: text('given back in the ID token'),
      code_challenge: text('PKCE'),
      code_challenge_method: text('PKCE', { enum: ['S256'] }),
      prompt: text('`login`, `consent`, `none`'),
      max_age: number('the oldest login that will do, seconds'),
      login_hint: text('whom to ask for a password'),
      ...client,
    },
    examples: [
      {
        client_id: 'web-app',
        response_type: 'code',
        redirect_uri: 'https://app.example.com/callback',
        scope: 'openid profile',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      },
    ],
  },
  PushedRequest: {
    type: 'object',
    required: ['request_uri', 'expires_in'],
    properties: {
      request_uri: text('good once, at the authorization endpoint'),
      expires_in: number('seconds'),
    },
    examples: [{ request_uri: 'urn:ietf:params:oauth:request_uri:EXAMPLE', expires_in: 60 }],
  },
  DeviceAuthorizationRequest: {
    type: 'object',
    properties: {
      scope: text('space-delimited'),
      resource: text('the API that the tokens are for (RFC 8707)'),
      ...client,
    },
    examples: [{ client_id: 'tv', scope: 'openid' }],
  },
  DeviceAuthorization: {
    type: 'object',
    required: ['device_code', 'user_code', 'verification_uri', 'expires_in'],
    properties: {
      device_code: text('to be exchanged at the token endpoint'),
      user_code: text('to be typed by the user'),
      verification_uri: text('where the user types it'),
      verification_uri_complete: text('the same with the code in it, for a QR code'),
      expires_in: number('seconds'),
      interval: number('seconds between two questions at the token endpoint'),
    },
    examples: [
      {
        device_code: 'EXAMPLE',
        user_code: 'WDJB-MJHT',
        verification_uri: 'https://id.example.com/device',
        expires_in: 600,
      },
    ],
  },
  UserInfo: {
    type: 'object',
    required: ['sub'],
    properties: {
      sub: text('the user'),
      preferred_username: text('with the scope `profile`'),
      email: text('with the scope `email`'),
      email_verified: { type: 'boolean', description: 'with an address; always false' },
    },
    examples: [{ sub: '019cad2e-7a10-7c3e-9f42-0a8f5d7c1b2e', preferred_username: 'ada' }],
  },
  JsonWebKeySet: {
    type: 'object',
    required: ['keys'],
    properties: { keys: { type: 'array', items: { type: 'object' } } },
  },
  Metadata: { type: 'object', required: ['issuer'], properties: { issuer: text('this server') } },
};

type SchemaName = keyof typeof schemas;

const ref = (name: SchemaName | 'Error'): Json => ({ $ref: `#/components/schemas/${name}` });
const json = (name: SchemaName | 'Error'): Json => ({
  content: { 'application/json': { schema: ref(name) } },
});
const form = (name: SchemaName): Json => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: ref(name) } },
});

const errors: Record<number, string> = {
  400: 'The request, the grant or the token is refused',
  401: 'The client or the token could not be authenticated',
  403: 'The token does not allow this',
  429: 'Too many attempts; `Retry-After` says when to come again',
  500: 'Something went wrong on our side',
  503: 'The service is temporarily unavailable; `Retry-After` says when to come again',
};

function refused(...statuses: (keyof typeof errors)[]): Json {
  const all = [...statuses, 500, 503];
  return Object.fromEntries(
    all.map((status) => [status, { description: errors[Number(status)], ...json('Error') }]),
  );
}

const operation = (operationId: string, summary: string, description: string, more: Json): Json => ({
  operationId,
  tags: [tag],
  summary,
  description,
  ...more,
});

const paths = {
  '/token': {
    post: operation(
      'token',
      'Get tokens for a password, a refresh token, a code or a client itself',
      'Rotates the refresh token where one is presented: store the new one in its place. An older one that comes back outside of the retry window ends its session (docs/tokens.md).',
      {
        security: byClient,
        requestBody: form('TokenRequest'),
        responses: { 200: { description: 'Tokens', ...json('TokenResponse') }, ...refused(400, 401, 429) },
      },
    ),
  },
  '/introspect': {
    post: operation(
      'introspect',
      'Ask whether a token is good (RFC 7662)',
      'For clients that stand for a resource server, about tokens that are meant for it, and for a client about its own refresh tokens.',
      {
        security: byClient,
        requestBody: form('TokenToJudge'),
        responses: {
          200: { description: 'What is known of the token', ...json('Introspection') },
          ...refused(400, 401),
        },
      },
    ),
  },
  '/revoke': {
    post: operation('revoke', 'Revoke a token (RFC 7009)', 'Revoking a refresh token ends its session.', {
      security: byClient,
      requestBody: form('TokenToJudge'),
      responses: { 200: { description: 'The token is no longer good, or never was' }, ...refused(400, 401) },
    }),
  },
  '/par': {
    post: operation(
      'pushAuthorizationRequest',
      'Send an authorization request ahead of the browser (RFC 9126)',
      'The browser is then sent to the authorization endpoint with `client_id` and `request_uri` alone.',
      {
        security: byClient,
        requestBody: form('AuthorizationRequest'),
        responses: {
          201: { description: 'Where it was put', ...json('PushedRequest') },
          ...refused(400, 401),
        },
      },
    ),
  },
  '/device/authorize': {
    post: operation(
      'authorizeDevice',
      'Begin the login of a device without a keyboard (RFC 8628)',
      'Show `user_code` and `verification_uri`, then ask the token endpoint every `interval` seconds.',
      {
        security: byClient,
        requestBody: form('DeviceAuthorizationRequest'),
        responses: {
          200: { description: 'The codes', ...json('DeviceAuthorization') },
          ...refused(400, 401),
        },
      },
    ),
  },
  '/userinfo': {
    get: operation('userinfo', 'Read the claims of the user', 'With an access token of the scope `openid`.', {
      responses: { 200: { description: 'The claims', ...json('UserInfo') }, ...refused(400, 401, 403) },
    }),
  },
  '/jwks': {
    get: operation(
      'jwks',
      'Read the keys that verify tokens',
      'The next key is published before it signs, the one before until its last token has expired.',
      {
        security: [],
        responses: { 200: { description: 'The keys', ...json('JsonWebKeySet') }, ...refused() },
      },
    ),
  },
  '/.well-known/openid-configuration': {
    get: operation(
      'openidConfiguration',
      'Read what this server can do',
      'Endpoints, scopes, algorithms and authentication methods (OpenID Connect Discovery).',
      {
        security: [],
        responses: { 200: { description: 'The metadata', ...json('Metadata') }, ...refused() },
      },
    ),
  },
  '/.well-known/oauth-authorization-server': {
    get: operation(
      'oauthMetadata',
      'Read the same by the name that OAuth has for it (RFC 8414)',
      'For an issuer with a path the document is found at the root of its host.',
      {
        security: [],
        responses: { 200: { description: 'The metadata', ...json('Metadata') }, ...refused() },
      },
    ),
  },
};

/** What the document has of the protocol: its paths, and what they refer to. */
export function protocolPaths() {
  return {
    tags: [{ name: tag, description: 'The endpoints of the protocol, for clients and resource servers.' }],
    paths,
    schemas,
    securitySchemes: {
      client: { type: 'http', scheme: 'basic', description: 'The name and the secret of a client.' },
    },
  };
}
