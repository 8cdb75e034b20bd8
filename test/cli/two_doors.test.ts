// What an administrator does by a command leaves the same trace as by the API: same events, same details.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { AuditEvent } from '../../src/core/audit/audit_events.ts';
import { listEvents } from '../../src/core/audit/audit_search.ts';
import { type Admin, enterAsAdmin, post } from '../helpers/admin.ts';
import type { Json, RequestOptions } from '../helpers/client.ts';
import { kindredJson } from '../helpers/commands.ts';
import { api, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers } from '../helpers/server.ts';

/** One way to do it all: by commands, or by requests. */
interface Door {
  createUser: (username: string) => Promise<Json>;
  logOut: (user_id: string) => Promise<Json>;
  createClient: (metadata: Json) => Promise<Json>;
  updateClient: (client_id: string, change: Json) => Promise<Json>;
  addSecret: (client_id: string) => Promise<Json>;
  removeSecret: (client_id: string, secret: string) => Promise<Json>;
  deleteClient: (client_id: string) => Promise<Json>;
  createResourceServer: (identifier: string) => Promise<Json>;
  updateResourceServer: (identifier: string, change: Json) => Promise<Json>;
  deleteResourceServer: (identifier: string) => Promise<Json>;
  rotateKeys: () => Promise<Json>;
}

async function commands(t: ExecutionContext, server: TestServer): Promise<Door> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-doors-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = async (content: Json) => {
    await writeFile(join(folder, 'metadata.json'), JSON.stringify(content));
    return ['--metadata', join(folder, 'metadata.json')];
  };
  const run = async (args: string[], stdin?: string) => await kindredJson<Json>(server, args, stdin);
  return {
    createUser: (username) =>
      run(['create-user', '--username', username, '--password-stdin'], 'a phrase that nobody else uses 17'),
    logOut: (user_id) => run(['logout', user_id]),
    createClient: async (metadata) => await run(['create-client', ...(await file(metadata))]),
    updateClient: async (id, change) => await run(['update-client', id, ...(await file(change))]),
    addSecret: (id) => run(['add-client-secret', id]),
    removeSecret: (id, secret) => run(['remove-client-secret', id, secret]),
    deleteClient: (id) => run(['delete-client', id, '--yes']),
    createResourceServer: (identifier) => run(['create-resource-server', '--identifier', identifier]),
    updateResourceServer: async (identifier, change) =>
      await run(['update-resource-server', identifier, ...(await file(change))]),
    deleteResourceServer: (identifier) => run(['delete-resource-server', identifier]),
    rotateKeys: () => run(['rotate-keys', '--force']),
  };
}

function requests(server: TestServer, admin: Admin): Door {
  const create = async (path: string, json: Json) => (await post(server, admin, path, json)).body;
  const ask = async (operation: string, json?: Json) => {
    const question: RequestOptions = json === undefined ? {} : { json };
    const [method, path] = operation.split(' ');
    return (await api(server, `${method} /admin${path}`, admin.token, question)).body;
  };
  const at = encodeURIComponent;
  return {
    createUser: (username) => create('/users', { username }),
    logOut: (id) => ask(`POST /users/${id}/force-logout`, { reason: 'by the API' }),
    createClient: (metadata) => create('/clients', metadata),
    updateClient: (id, change) => ask(`PATCH /clients/${id}`, change),
    addSecret: (id) => create(`/clients/${id}/secrets`, {}),
    removeSecret: (id, secret) => ask(`DELETE /clients/${id}/secrets/${secret}`),
    deleteClient: (id) => ask(`DELETE /clients/${id}`),
    createResourceServer: (identifier) => create('/resource-servers', { identifier }),
    updateResourceServer: (identifier, change) => ask(`PATCH /resource-servers/${at(identifier)}`, change),
    deleteResourceServer: (identifier) => ask(`DELETE /resource-servers/${at(identifier)}`),
    rotateKeys: () => ask('POST /keys/rotate', { force: true }),
  };
}

/** Does everything, and gives the events that it left, oldest first, its own names replaced by what they stand for. */
async function tracesOf(server: TestServer, door: Door, word: string): Promise<string[]> {
  const signedIn = await signIn(server);
  const [{ id: last = '' } = {}] = (await listEvents(server.db, { limit: 1 })).events;
  const identifier = `https://${word}.example.test/`;
  const created = await door.createUser(`user-${word}`);
  await door.logOut(signedIn.user.id);
  const client = await door.createClient({ token_endpoint_auth_method: 'client_secret_basic' });
  const client_id = String(client.client_id);
  await door.updateClient(client_id, { client_name: 'Renamed' });
  const secret = await door.addSecret(client_id);
  await door.removeSecret(client_id, String(secret.id));
  await door.deleteClient(client_id);
  await door.createResourceServer(identifier);
  await door.updateResourceServer(identifier, { name: 'Renamed' });
  await door.deleteResourceServer(identifier);
  const { keys } = (await door.rotateKeys()) as { keys?: { kid: string; alg: string }[] };
  const names = [
    [created.id, 'the new user'],
    [signedIn.user.id, 'the user'],
    [signedIn.tokens.session_id, 'the session'],
    [signedIn.client.client_id, "the session's client"],
    [client_id, 'the client'],
    [secret.id, 'the secret'],
    [identifier, 'the resource server'],
    ...(keys ?? []).map(({ kid, alg }) => [kid, `the key of ${alg}`]),
  ];
  const { events: newest } = await listEvents(server.db, { limit: 100 });
  const events = newest.filter((event) => event.id > last).reverse();
  return events.map((event) =>
    names.reduce((text, [id, name]) => text.replaceAll(String(id), String(name)), tell(event)),
  );
}

// Who, from where and why is what differs: a command has neither an id nor an address nor a reason.
function tell({ type, actor, user_id, client_id, session_id, detail }: AuditEvent): string {
  return JSON.stringify({ type, actor, user_id, client_id, session_id, detail });
}

testOnOwnServers('a command leaves the events that its request leaves', {}, async (t, server) => {
  const admin = await enterAsAdmin(server);
  const byRequest = await tracesOf(server, requests(server, admin), 'request');
  const byCommand = await tracesOf(server, await commands(t, server), 'command');
  t.deepEqual(byCommand, byRequest);
  t.deepEqual(
    byRequest.map((event) => JSON.parse(event).type),
    [
      'user_created',
      'session_ended',
      'user_logged_out',
      'client_created',
      'client_updated',
      'client_secret_added',
      'client_secret_removed',
      'client_deleted',
      'resource_server_created',
      'resource_server_updated',
      'resource_server_deleted',
      'signing_key_rotated',
    ],
  );
});
