// The endpoints that clients and resource servers call with tokens: token, introspection, revocation.
import {
  byClient,
  client,
  type EndpointGroup,
  form,
  json,
  number,
  operation,
  refused,
  text,
} from './protocol_operation.ts';

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
  },
  paths: {
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
        responses: {
          200: { description: 'The token is no longer good, or never was' },
          ...refused(400, 401),
        },
      }),
    },
  },
};
