// Who takes part in a bench: users, clients and resource servers, under the same names at every peer.

/** The first-party client; public. */
export const client_id = 'bench';
export const password = 'correct horse battery staple';
export const secret = 'YSBzZWNyZXQgZm9yIHRoZSBiZW5jaCwgYW5kIG5vdGhpbmcgZWxzZQ';
export const connections = 16;

/** The client that introspects. */
export const api = {
  client_id: 'bench-api',
  client_secret: 'the-secret-of-the-client-of-the-bench-that-introspects',
};

/** A first-party client with a secret. */
export const confidential = {
  client_id: 'bench-confidential',
  client_secret: 'the-secret-of-the-first-party-client-of-the-bench',
};

/** The client with which the administrator administrates. */
export const consoleClient = {
  client_id: 'bench-console',
  client_secret: 'the-secret-of-the-console-client-of-the-bench-here',
};

/** A client that acts for no user. */
export const machine = {
  client_id: 'bench-machine',
  client_secret: 'the-secret-of-the-machine-client-of-the-bench-here',
};

/** A third-party client with a secret. */
export const web = {
  client_id: 'bench-web',
  client_secret: 'the-secret-of-the-third-party-client-of-the-bench',
};
export const redirect_uri = 'https://app.example.test/cb';

/** A resource server with opaque access tokens, and one with JWTs. */
export const opaqueApi = { resource: 'https://opaque.example.test/', scope: 'things:read' };
export const ordersApi = { resource: 'https://orders.example.test/', scope: 'orders:read' };

/** The user who administrates. */
export const administrator = 'administrator';

/** The names of the first users. */
export function usernames(count = connections): string[] {
  return Array.from({ length: count }, (_, index) => `user-${index}`);
}
