// Clients that no administrator vouches for, in the database: what is written about them, and when.
import type { ExecutionContext } from 'ava';
import { findClient, updateClient } from '../../../src/core/clients/clients.ts';
import { keepDocumentClient, readDocumentClient } from '../../../src/core/clients/document_clients.ts';
import { saveRegisteredClient } from '../../../src/core/clients/registered_clients.ts';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { source } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const id = 'https://app.example/client.json';
const document = {
  client_name: 'Document',
  redirect_uris: ['https://app.example/cb'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

// Each request fetches the document again.
const justNow = () => new Date(Date.now() + 60_000);

const read = (db: Db, change: object = {}, scope?: string, fetched_at = justNow()) =>
  readDocumentClient(db, id, { ...document, ...change }, { scope, source, fetched_at });

/** The tables whose rows `work` has changed. */
async function written(db: Db, work: () => Promise<unknown>): Promise<string[]> {
  const tables = async () =>
    Object.entries(await readTables(db as never)).map(([name, rows]) => [name, JSON.stringify(rows)]);
  const before = new Map((await tables()) as [string, string][]);
  await work();
  return (await tables())
    .filter(([name = '', rows]) => before.get(name) !== rows)
    .map(([name = '']) => name)
    .toSorted();
}

const eventsOf = async (db: Db) =>
  (await db('audit_events').where({ client_id: id }).orderBy('id')).map(({ type, actor, ip }) => [
    type,
    actor,
    ip,
  ]);

testOnStores('reading a document writes nothing before its client is used', async (t, { db }) => {
  t.deepEqual(await written(db, () => read(db)), []);
  const client = await read(db);
  t.like(client, { client_id: id, registered_by: 'document', first_party: false, scope: null });
  if (!client) throw new Error('the document was refused');
  t.deepEqual(await written(db, () => keepDocumentClient(db, client, source)), ['audit_events', 'clients']);
  t.deepEqual(await written(db, () => keepDocumentClient(db, client, source)), [], 'the row exists already');
  t.deepEqual(await written(db, () => read(db)), [], 'nothing is written while the document is unchanged');
  t.deepEqual(await eventsOf(db), [['client_registered', 'client', source.ip]]);
});

testOnStores('a node with an older document in its cache does not undo a newer one', async (t, { db }) => {
  await kept(t, db);
  const before = new Date(Date.now() - 3_600_000);
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'one' }] };
  const keyed = await read(db, { jwks });
  t.deepEqual(keyed?.metadata.jwks, jwks);
  const older = { jwks: { keys: [] } };
  t.deepEqual(await written(db, () => read(db, older, undefined, before)), []);
  t.deepEqual(
    await read(db, older, undefined, before),
    keyed,
    'the client still has the metadata of the newer document',
  );
  t.deepEqual((await read(db, older))?.metadata.jwks, older.jwks);
});

async function kept(t: ExecutionContext, db: Db, scope?: string) {
  const client = await read(db, {}, scope);
  if (!client) throw new Error('the document was refused');
  await keepDocumentClient(db, client, source);
  t.is((await findClient(db, id))?.scope, client.scope);
}

testOnStores('a changed document is written once, with an event', async (t, { db }) => {
  await kept(t, db);
  const changed = { client_name: 'Other', redirect_uris: ['https://app.example/other'] };
  t.deepEqual(await written(db, () => read(db, changed)), ['audit_events', 'clients']);
  t.deepEqual(await written(db, () => read(db, changed)), []);
  t.like((await findClient(db, id))?.metadata, changed);
  t.deepEqual(await eventsOf(db), [
    ['client_registered', 'client', source.ip],
    ['client_updated', 'client', source.ip],
  ]);
});

testOnStores(
  'the scope of a document has only scopes that exist, and never more than an administrator allows',
  async (t, { db }) => {
    await createResourceServer(db, { identifier: 'https://mcp.example/', scope: 'mcp:read mcp:write' });
    await kept(t, db, 'mcp:read unheard admin');
    t.is((await findClient(db, id))?.scope, 'mcp:read offline_access');
    t.is(
      (await read(db, {}, 'mcp:read mcp:write'))?.scope,
      'mcp:read mcp:write offline_access',
      'the document may request more',
    );
    await db.transaction((tx) => updateClient(tx as never, id, { scope: 'mcp:read' }));
    t.is((await read(db, {}, 'mcp:read mcp:write'))?.scope, 'mcp:read');
    t.is((await read(db, {}, 'mcp:write openid'))?.scope, 'mcp:read');
    t.is((await read(db))?.scope, 'mcp:read');
  },
);

testOnStores('a document does not undo the changes of an administrator', async (t, { db }) => {
  await kept(t, db);
  await db.transaction((tx) => updateClient(tx as never, id, { blocked: true }));
  t.is(await read(db, { client_name: 'Other' }), null);
  await db.transaction((tx) => updateClient(tx as never, id, { blocked: false, registered_by: 'admin' }));
  await saveRegisteredClient(db, id, { ...document, client_name: 'Other' }, 'document');
  t.is((await findClient(db, id))?.metadata.client_name, 'Document');
});
