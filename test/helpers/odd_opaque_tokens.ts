// Opaque access tokens to introspect or revoke, and refresh tokens beside the newest: stored and made without a request to a server.
import type { Deps } from '../../src/core/deps.ts';
import { mintRefreshToken, newSalt } from '../../src/core/sessions/refresh_token.ts';
import { json } from '../../src/core/store/columns.ts';
import { newId } from '../../src/lib/ids.ts';
import { keyring, makeRecord } from './builders.ts';
import type { Json } from './client.ts';
import { opaque } from './twin_clients.ts';
import type { Twin } from './twins.ts';

export const storedKinds = [
  'opaque user',
  'opaque client',
  'opaque bound',
  'opaque certified',
  'opaque expired',
  'opaque without versions',
  'opaque without scope',
  'future refresh',
  'salted refresh',
  'bound refresh',
  'refresh and more',
] as const;

export type StoredKind = (typeof storedKinds)[number];

export function isStoredKind(kind: string): kind is StoredKind {
  return (storedKinds as readonly string[]).includes(kind);
}

/** A token of this kind. */
export async function makeStoredToken(deps: Deps, kind: StoredKind, twin: Twin): Promise<string> {
  const { session } = twin;
  const mint = (generation: number, salt = session.salt) =>
    mintRefreshToken(keyring, { id: session.id, salt }, generation);
  switch (kind) {
    case 'opaque user':
      return await store(deps, twin, {});
    case 'opaque client':
      return await store(deps, twin, { model: 'ClientCredentials' });
    case 'opaque bound':
      return await store(deps, twin, { jkt: 'A'.repeat(43) });
    case 'opaque certified':
      return await store(deps, twin, { jkt: 'A'.repeat(43), 'x5t#S256': 'B'.repeat(43) });
    case 'opaque expired':
      return await store(deps, twin, { exp: Math.floor(Date.now() / 1000) - 1 });
    case 'opaque without versions':
      return await store(deps, twin, { extra: {} });
    case 'opaque without scope':
      return await store(deps, twin, { scope: undefined });
    case 'future refresh':
      return mint(session.generation + 7);
    case 'salted refresh':
      return mint(session.generation, newSalt());
    case 'bound refresh': {
      const token_payload = { ...session.token_payload, jkt: 'A'.repeat(43), 'x5t#S256': 'B'.repeat(43) };
      await deps
        .db('sessions')
        .where({ id: session.id })
        .update({ token_payload: json(token_payload) });
      return mint(session.generation);
    }
    case 'refresh and more':
      return `${mint(session.generation)}A`;
  }
}

async function store(
  { db }: Deps,
  { user, session }: Twin,
  { model = 'AccessToken', ...given }: Json & { model?: string },
): Promise<string> {
  const token = newId().replaceAll('-', '');
  const client = await db('clients').where({ client_id: session.client_id }).first();
  const iat = Math.floor(Date.now() / 1000);
  const ofUser = { accountId: user.id, grantId: session.id, sid: session.id, gty: 'refresh_token' };
  const { roles, token_version } = user;
  const record = {
    ...{ iat, exp: iat + 900, jti: token, kind: model, aud: opaque, scope: 'opaque:read' },
    clientId: session.client_id,
    ...(model === 'AccessToken' ? ofUser : {}),
    extra: {
      ...(model === 'AccessToken'
        ? { auth_time: 1_700_000_000, roles, permissions: ['p'], token_version }
        : {}),
      client_version: client?.token_version,
    },
    ...given,
  };
  await makeRecord(db, model, token, record, 900);
  return token;
}
