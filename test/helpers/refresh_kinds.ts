// Sessions of every kind, for the clients of twin_clients.ts, and how each is refreshed.
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { keyring, makeUser, openTestSession } from './builders.ts';
import { type Answer, send } from './client.ts';
import { rowOf } from './rows.ts';
import { type ClientName, opaque, orders, proofOf } from './twin_clients.ts';
import { certificateHeader, dpopHeader, ownCertificate, ownThumbprint } from './twin_proofs.ts';
import { type App, ownApi, type Pair } from './twins.ts';

export interface Kind {
  client: ClientName;
  scope: string;
  resource?: string | string[];
  /** Further members of the token payload. */
  extra?: Record<string, unknown>;
  form?: Record<string, string>;
  prove?: boolean;
  certificate?: boolean;
}

const cnf = { 'x5t#S256': ownCertificate.thumbprint };

/** One session of each kind. */
export const kinds = {
  plain: { client: 'strict', scope: 'account', resource: ownApi },
  openid: { client: 'strict', scope: 'openid profile email account', resource: ownApi },
  'third party': { client: 'third', scope: 'openid profile offline_access orders:read', resource: orders },
  'no resource': { client: 'third', scope: 'openid profile' },
  opaque: { client: 'strict', scope: 'opaque:read', resource: opaque },
  'several resources': { client: 'strict', scope: 'openid account orders:read', resource: [orders, ownApi] },
  'one of several resources': {
    ...{ client: 'strict', scope: 'openid account orders:read', resource: [orders, ownApi] },
    form: { resource: ownApi },
  },
  'narrowed scope': {
    ...{ client: 'strict', scope: 'openid account', resource: ownApi },
    form: { scope: 'account' },
  },
  DPoP: {
    client: 'strict',
    scope: 'openid account',
    resource: ownApi,
    extra: { jkt: ownThumbprint },
    prove: true,
  },
  'DPoP of a confidential client': {
    ...{ client: 'basic', scope: 'account', resource: ownApi, extra: { dpop: true }, prove: true },
  },
  'DPoP that the client demands': { client: 'proving', scope: 'account', resource: ownApi, prove: true },
  certificate: { client: 'certified', scope: 'account', resource: ownApi, extra: cnf, certificate: true },
  'opaque with DPoP': { client: 'strict', scope: 'opaque:read', resource: opaque, prove: true },
} satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;

/** Opens a session of a kind; everything that it asks for is granted. */
export async function openKind({ deps: { db } }: Pair, name: KindName): Promise<Session> {
  const { client, scope, resource, extra }: Kind = kinds[name];
  const row = await rowOf(db('clients').where({ client_id: client }).first());
  const resources = Object.fromEntries([resource ?? []].flat().map((one) => [one, scope]));
  return await openTestSession(db, {
    user: await makeUser(db),
    client: row,
    grant_payload: { openid: { scope }, resources },
    token_payload: {
      ...{ gty: 'password', scope, authTime: 1_700_000_000, amr: ['pwd'] },
      ...(resource ? { resource } : {}),
      ...extra,
    },
  });
}

/** Refreshes a session of a kind with the token of a generation; `headers` replace those of the kind. */
export async function refreshKind(
  app: App,
  name: KindName,
  session: Session,
  { generation = 0, headers = {}, form = {} }: Changes = {},
): Promise<Answer> {
  const { client, form: own, prove, certificate }: Kind = kinds[name];
  const proof = await proofOf(client, client === 'third' || client === 'basic' ? 'basic' : 'registered');
  return await send(`${app.url}/token`, {
    form: {
      ...{ grant_type: 'refresh_token', refresh_token: mintRefreshToken(keyring, session, generation) },
      ...proof.form,
      ...own,
      ...form,
    },
    headers: {
      ...proof.headers,
      ...(await dpopHeader(prove ? 'own key' : 'no', undefined)),
      ...certificateHeader(certificate ? 'own' : 'no'),
      ...headers,
    },
  });
}

interface Changes {
  generation?: number;
  headers?: Record<string, string>;
  form?: Record<string, string>;
}
