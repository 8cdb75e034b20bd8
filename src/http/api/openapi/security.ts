// How callers authenticate, for the OpenAPI document: the security schemes, and what an operation requires of a caller.
import type { Json } from './schemas.ts';

const scopes = {
  openid: 'an ID token, and the claims of the user at the userinfo endpoint',
  account: "the user's own profile, sessions, devices and consents",
  admin:
    'all rights of administration that the user has; for first-party clients, and for users only with the role `admin` or one of these rights',
  'admin:read': 'read everything that administrators see',
  'admin:users': 'users: find, create, change, ban, disable and delete them',
  'admin:sessions': 'sessions of any user: read and end them',
  'admin:config': 'clients, resource servers, signing keys and the outbox: read and change them',
};

const { openid: _openid, account: _account, ...ofMachines } = scopes;

/** The security schemes of the server with this issuer. */
export function securitySchemes(issuer: string): Record<string, Json> {
  const tokenUrl = `${issuer}/token`;
  return {
    oauth2: {
      type: 'oauth2',
      description: 'An access token of this server whose audience is this API.',
      flows: {
        authorizationCode: {
          authorizationUrl: `${issuer}/authorize`,
          tokenUrl,
          refreshUrl: tokenUrl,
          scopes,
        },
        password: { tokenUrl, refreshUrl: tokenUrl, scopes },
        clientCredentials: { tokenUrl, scopes: ofMachines },
      },
    },
    bearer: {
      type: 'http',
      scheme: 'bearer',
      description: 'The same access token, however it was obtained. It is a JWT or an opaque text.',
    },
    dpop: {
      type: 'http',
      scheme: 'dpop',
      description: 'An access token that is bound to a key (RFC 9449): `Authorization: DPoP <token>`.',
    },
    dpopProof: {
      type: 'apiKey',
      in: 'header',
      name: 'DPoP',
      description: 'A new proof of the key for every request (RFC 9449, 4).',
    },
    client: { type: 'http', scheme: 'basic', description: 'The id and the secret of a client.' },
    registration: {
      type: 'http',
      scheme: 'bearer',
      description:
        'The initial access token of the server, or the `registration_access_token` of the client (RFC 7592).',
    },
  };
}

/** An operation that requires an access token with one of these scopes. */
export function tokenSecurity(...any: (keyof typeof scopes)[]): Json[] {
  return [...any.map((scope) => ({ oauth2: [scope] })), { bearer: [] }, { dpop: [], dpopProof: [] }];
}

/** The client authenticates by HTTP Basic, by a secret or an assertion in the form, or gives its client_id alone. */
export const clientSecurity: Json[] = [{ client: [] }, {}];
