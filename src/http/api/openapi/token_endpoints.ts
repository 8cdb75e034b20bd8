// The endpoints that clients and resource servers call with tokens: token, introspection, revocation.
import {
  client,
  type EndpointGroup,
  errorStatuses,
  form,
  json,
  number,
  ok,
  operation,
  text,
} from './protocol_operation.ts';
import { clientSecurity } from './security.ts';

const grants = {
  grant_type: text('the kind of grant that the client presents', {
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
  auth_session: text(
    '`password`: instead of `username` and `password`, with `new_password`: that of the answer `insufficient_authorization`',
  ),
  new_password: text('`password`: the password that replaces a generated one'),
  refresh_token: text('`refresh_token`: the newest refresh token of the session'),
  code: text('`authorization_code`: the code'),
  redirect_uri: text('`authorization_code`: the same as in the authorization request'),
  code_verifier: text('`authorization_code`: the PKCE verifier'),
  device_code: text('`device_code`: the device code from the device authorization response'),
  scope: text(
    'space-delimited; when absent, all scopes that the client may have, and at a refresh all those of the session',
  ),
  resource: text(
    'the identifier of the API that the tokens are for (RFC 8707); when absent, the API that the scopes belong to, else the default of the client; at a refresh one that the session was opened for',
  ),
  device_id: text('`password`: the id that the client has chosen for the device'),
  device_secret: text(
    '`password`: the secret from the response to the last login of this user with this `device_id`; wrong passwords of others do not lock the device out',
  ),
  device_name: text('`password`: a readable name of the device'),
  platform: text('`password`: shown in the list of devices'),
  app_version: text('`password`: shown in the list of devices'),
  push_token: text('`password`: the token for push notifications to the device'),
};

export const tokenEndpoints: EndpointGroup = {
  schemas: {
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
        access_token: text('a JWT (RFC 9068), or opaque if the API is registered that way'),
        token_type: text('how to present it', { enum: ['Bearer', 'DPoP'] }),
        expires_in: number('seconds'),
        refresh_token: text('replaces the previous one; for clients with the refresh token grant'),
        refresh_token_expires_in: number('seconds until it expires if it is not used'),
        id_token: text('with the scope `openid`'),
        scope: text('the scopes granted'),
        session_id: text('the session that the tokens belong to'),
        device_secret: text(
          'after a login with `device_id`: store it, and send it with the next login on the device',
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
        token_type_hint: text('the kind of token, as a hint', { enum: ['access_token', 'refresh_token'] }),
        ...client,
      },
      examples: [{ token: 'EXAMPLE', client_id: 'gateway', client_secret: 'EXAMPLE' }],
    },
    Introspection: {
      type: 'object',
      required: ['active'],
      properties: {
        active: { type: 'boolean', description: 'whether the token is valid now, for the calling client' },
        iss: text('the issuer'),
        sub: text('the user, or the client where the token is its own'),
        aud: text('the API that it is issued for'),
        client_id: text('the client that it was issued to'),
        scope: text('its scopes'),
        username: text('the username of the user, for the API that the token is meant for'),
        email: text('the e-mail address of the user, for the API that the token is meant for'),
        email_verified: { type: 'boolean', description: 'whether the address was verified' },
        sid: text('its session'),
        exp: number('when it expires, seconds since 1970'),
        iat: number('when it was issued, seconds since 1970'),
        token_type: text('how to present it', { enum: ['Bearer', 'DPoP', 'refresh_token'] }),
        auth_time: number('when the user logged in, seconds since 1970'),
        roles: { type: 'array', items: { type: 'string' }, description: 'the roles of the user' },
        permissions: { type: 'array', items: { type: 'string' }, description: 'the permissions of the user' },
        tid: text('the tenant of the user'),
        token_version: number('the `token_version` of the user when the token was issued'),
        jti: text('the id of a JWT'),
        cnf: {
          type: 'object',
          description: 'the key (`jkt`) or certificate (`x5t#S256`) to which the token is bound',
        },
      },
      examples: [{ active: false }],
    },
  },
  paths: {
    '/token': {
      post: operation(
        'token',
        'Get tokens for a password, a refresh token, a code or a client itself',
        'A presented refresh token is rotated: replace it by the new one. An older one that is presented outside the retry window ends its session (docs/tokens.md).',
        {
          security: clientSecurity,
          requestBody: form('TokenRequest'),
          responses: {
            ...ok({ 200: { description: 'Tokens', ...json('TokenResponse') } }),
            ...errorStatuses(400, 401, 413, 429),
          },
        },
      ),
    },
    '/introspect': {
      post: operation(
        'introspect',
        'Ask whether a token is valid (RFC 7662)',
        'The client of a resource server may ask about tokens that are issued for it, and any client that is not public about its own tokens. About any other token the answer is `active: false`.',
        {
          security: clientSecurity,
          requestBody: form('TokenToJudge'),
          responses: {
            ...ok({
              200: {
                description: 'The state of the token; a JWT (RFC 9701) for a client that asks for it',
                content: {
                  'application/json': { schema: { $ref: '#/components/schemas/Introspection' } },
                  'application/token-introspection+jwt': { schema: { type: 'string' } },
                },
              },
            }),
            ...errorStatuses(400, 401, 413, 429),
          },
        },
      ),
    },
    '/revoke': {
      post: operation(
        'revoke',
        'Revoke a token (RFC 7009)',
        'Revoking a refresh token ends its session; an access token is revoked alone.',
        {
          security: clientSecurity,
          requestBody: form('TokenToJudge'),
          responses: {
            ...ok({ 200: { description: 'The token is not valid, or no longer' } }),
            ...errorStatuses(400, 401, 413, 429),
          },
        },
      ),
    },
  },
};
