// A host of a client ID metadata document, over real TLS, and a server that trusts its certificate.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { callback } from './code_flow.ts';
import { startServerProcess, type TestServer } from './server.ts';
import { makeStore, type Store, type StoreName } from './stores.ts';

// For these tests only: for localhost, self-signed.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6j3RfOIc0LQDLRij
jvsQc4FMR0+4LjlfYNsV5zLieOGhRANCAARc1rvOTik4VDVgUMN2EZe3a2EbHbaD
+ev3cPFkJgW6uqt3epDlOf+S4CV8a522wkETOo1DKWAMPZ1W8FyjtK9X
-----END PRIVATE KEY-----
`;
/** The certificate of the host, for a server that has to trust it. */
export const documentCertificate = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUIXd3+zKEyzwIx7gYHUnMvKqpWjkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEwMTM0MFoYDzIxMjYxMDI4
MTAxMzQwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARc1rvOTik4VDVgUMN2EZe3a2EbHbaD+ev3cPFkJgW6uqt3epDlOf+S
4CV8a522wkETOo1DKWAMPZ1W8FyjtK9Xo28wbTAdBgNVHQ4EFgQULYWcYHkYsRlK
jrM+bZQfzjmUPDIwHwYDVR0jBBgwFoAULYWcYHkYsRlKjrM+bZQfzjmUPDIwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgGH0SqKlYaDSEvPXvsB5GeGuMticQEPbbk1ZG8Z5lrssCIQDK
w3gYWfPdkA6SpsJZn9qPXuAFSp1JNyoSDbDwc8CuAg==
-----END CERTIFICATE-----
`;

/**
 * Serves the document at `/client`, with its URL as `client_id`, and records the requested paths. `more` may be changed later; with a
 * member `status` the host answers so.
 */
export async function serveDocument(t: ExecutionContext, more: object = {}) {
  const asked: string[] = [];
  const server = createServer({ key, cert: documentCertificate }, (request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/moved') return response.writeHead(302, { location: '/client' }).end();
    const document = {
      client_id,
      client_name: 'Document client',
      redirect_uris: [callback],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      ...more,
    };
    const { status = 200 } = more as { status?: number };
    // Kept longer than any test takes: servers that start on a busy machine take half a minute.
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'max-age=3600' });
    return response.end(JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  const client_id = `${origin}/client`;
  const close = () => new Promise<void>((done) => server.close(() => done()));
  return { origin, client_id, asked, close };
}

/** A server that accepts metadata documents as clients, on a store of its own or on that of another server. */
export async function startWithDocuments(
  t: ExecutionContext,
  on: StoreName | TestServer,
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-tls-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'ca.pem'), documentCertificate);
  return await startServerProcess(t, await storeOf(t, on), {
    CLIENT_ID_METADATA_DOCUMENTS: 'true',
    FETCH_PRIVATE_ADDRESSES: 'true',
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  });
}

async function storeOf(t: ExecutionContext, on: StoreName | TestServer): Promise<Store> {
  if (typeof on !== 'string') return { name: on.store, url: on.databaseUrl, db: on.db };
  const store = await makeStore(on);
  t.teardown(store.drop);
  return store;
}
