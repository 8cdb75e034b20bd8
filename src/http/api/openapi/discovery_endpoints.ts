// The endpoints that are only read: userinfo, keys and metadata.
import { type EndpointGroup, errorStatuses, json, ok, operation, text } from './protocol_operation.ts';
import { tokenSecurity } from './security.ts';

const userinfo = {
  security: tokenSecurity('openid'),
  responses: {
    ...ok({
      200: {
        description: 'The claims; a JWT for a client with `userinfo_signed_response_alg`',
        content: {
          'application/json': { schema: { $ref: '#/components/schemas/UserInfo' } },
          'application/jwt': { schema: { type: 'string' } },
        },
      },
    }),
    ...errorStatuses(400, 401, 403),
  },
};

const published =
  'The upcoming key is published before it signs, the previous one until its last token has expired.';
const keySet = {
  security: [],
  responses: {
    ...ok({ 200: { description: 'The keys', ...json('JsonWebKeySet', 'application/jwk-set+json') } }),
    ...errorStatuses(400),
  },
};
const metadata = {
  security: [],
  responses: { ...ok({ 200: { description: 'The metadata', ...json('Metadata') } }), ...errorStatuses(400) },
};

export const discoveryEndpoints: EndpointGroup = {
  schemas: {
    UserInfo: {
      type: 'object',
      required: ['sub'],
      properties: {
        sub: text('the user'),
        preferred_username: text('with the scope `profile`'),
        name: text('the full name; it and the next five come by the scope `profile`'),
        given_name: text('first names'),
        family_name: text('last names'),
        picture: text('the https URL of a picture'),
        locale: text('a language tag'),
        zoneinfo: text('a time zone'),
        updated_at: { type: 'integer', description: 'seconds since 1970, with the scope `profile`' },
        email: text('with the scope `email`'),
        email_verified: {
          type: 'boolean',
          description:
            'present with `email`: whether the user proved the address, or an administrator vouched for it',
        },
        roles: { type: 'array', items: { type: 'string' }, description: 'with the scope `roles`' },
        groups: { type: 'array', items: { type: 'string' }, description: 'the same values as `roles`' },
      },
      examples: [{ sub: '019cad2e-7a10-7c3e-9f42-0a8f5d7c1b2e', preferred_username: 'ada' }],
    },
    JsonWebKeySet: {
      type: 'object',
      required: ['keys'],
      properties: { keys: { type: 'array', items: { type: 'object' } } },
    },
    Metadata: { type: 'object', required: ['issuer'], properties: { issuer: text('this server') } },
  },
  paths: {
    '/userinfo': {
      get: operation(
        'userinfo',
        'Read the claims of the user',
        'With an access token of a session to which `openid` was granted, whatever API it is for.',
        userinfo,
      ),
      post: operation(
        'userinfoByPost',
        'Read the claims of the user, by POST',
        'The same as by GET (OpenID Connect Core 1.0, 5.3.1).',
        userinfo,
      ),
    },
    '/jwks': { get: operation('jwks', 'Read the keys that verify tokens', published, keySet) },
    '/.well-known/jwks.json': {
      get: operation(
        'wellKnownJwks',
        'Read the keys that verify tokens, under another name',
        published,
        keySet,
      ),
    },
    '/.well-known/openid-configuration': {
      get: operation(
        'openidConfiguration',
        'Read what this server can do',
        'Endpoints, scopes, algorithms and authentication methods (OpenID Connect Discovery).',
        metadata,
      ),
    },
    '/.well-known/oauth-authorization-server': {
      get: operation(
        'oauthMetadata',
        'Read the metadata under the name that OAuth gives it (RFC 8414)',
        'For an issuer with a path, the document is at the root of the host.',
        metadata,
      ),
    },
  },
};
