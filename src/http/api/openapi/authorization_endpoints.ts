// The endpoints at which a client begins a login in a browser: pushed authorization requests and device authorization.
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

/** The parameters of an authorization request beside `client_id`. */
export const authorizationParameters = {
  response_type: text('the code flow is the only flow', { enum: ['code'] }),
  redirect_uri: text('one of the registered redirect URIs', { format: 'uri' }),
  scope: text('space-delimited'),
  resource: text('the API that the tokens are for (RFC 8707)', { format: 'uri' }),
  response_mode: text('how the answer comes back', { enum: ['query', 'fragment', 'form_post'] }),
  state: text('returned with the code'),
  nonce: text('returned in the ID token'),
  code_challenge: text('PKCE', { pattern: '^[A-Za-z0-9._~-]{43,128}$' }),
  code_challenge_method: text('PKCE', { enum: ['S256'] }),
  prompt: text('`login`, `consent`, `select_account`, `none`'),
  max_age: number('the greatest age of the login, in seconds'),
  login_hint: text('the username or e-mail address with which to begin the login'),
  request_uri: text(
    'the reference to a pushed request (RFC 9126), instead of all other parameters but `client_id`',
  ),
  request: text('a signed request object (RFC 9101), instead of the other parameters'),
};

export const authorizationEndpoints: EndpointGroup = {
  schemas: {
    AuthorizationRequest: {
      type: 'object',
      required: ['client_id', 'response_type'],
      properties: { ...authorizationParameters, ...client },
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
        request_uri: text('valid once, at the authorization endpoint'),
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
        device_code: text('exchange it at the token endpoint'),
        user_code: text('the code that the user types'),
        verification_uri: text('the page at which the user types it'),
        verification_uri_complete: text('the same with the code, for a QR code'),
        expires_in: number('seconds'),
        interval: number('seconds between two requests to the token endpoint'),
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
  },
  paths: {
    '/par': {
      post: operation(
        'pushAuthorizationRequest',
        'Send an authorization request ahead of the browser (RFC 9126)',
        'The browser is then sent to the authorization endpoint with `client_id` and `request_uri` alone.',
        {
          security: clientSecurity,
          requestBody: form('AuthorizationRequest'),
          responses: {
            ...ok({ 201: { description: 'The reference to the request', ...json('PushedRequest') } }),
            ...errorStatuses(400, 401, 413, 429),
          },
        },
      ),
    },
    '/device/authorize': {
      post: operation(
        'authorizeDevice',
        'Begin a login on a device without a keyboard (RFC 8628)',
        'Show `user_code` and `verification_uri`, then ask the token endpoint every `interval` seconds.',
        {
          security: clientSecurity,
          requestBody: form('DeviceAuthorizationRequest'),
          responses: {
            ...ok({ 200: { description: 'The codes', ...json('DeviceAuthorization') } }),
            ...errorStatuses(400, 401, 413, 429),
          },
        },
      ),
    },
  },
};
