// Which rotation profile a client gets, what it becomes when the client changes, and the migration that brought `web`.
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Knex } from 'knex';
import type { ClientChange } from '../../../src/core/clients/client_metadata.ts';
import { findClient, updateClient } from '../../../src/core/clients/clients.ts';
import { keepDocumentClient, readDocumentClient } from '../../../src/core/clients/document_clients.ts';
import { saveRegisteredClient } from '../../../src/core/clients/registered_clients.ts';
import {
  explainProfile,
  type ProfileColumns,
  rotationProfiles,
  windowOf,
} from '../../../src/core/clients/rotation_profiles.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { makeClient, openTestSession, source } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

test('each profile has a retry window, which a client may override, and a sentence that says it', (t) => {
  const of = (rotation_profile: ProfileColumns['rotation_profile'], own: number | null = null) => ({
    rotation_profile,
    refresh_token_retry_window: own,
  });
  t.deepEqual(
    rotationProfiles.map((one) => [one, windowOf(of(one))]),
    [
      ['strict', 0],
      ['web', 20],
      ['spa', 60],
      ['mobile', 60],
      ['observe', 60],
    ],
  );
  t.deepEqual([of('strict', 5), of('web', 0), of('mobile', 86_400)].map(windowOf), [5, 0, 86_400]);
  const again = 'after a refresh the previous refresh token gets the same answer again; later, its use';
  t.deepEqual([of('strict'), of('web'), of('mobile', 5), of('observe')].map(explainProfile), [
    'strict: a refresh token that is used twice ends the session',
    `web: for 20 s ${again} ends the session`,
    `mobile: for 5 s ${again} ends the session`,
    `observe: for 60 s ${again} is recorded and ends nothing`,
  ]);
});

const bare = { rotation_profile: undefined };
const isPublic = { token_endpoint_auth_method: 'none' } as const;
const isConfidential = { token_endpoint_auth_method: 'client_secret_basic' } as const;

/** The columns of a client's profile. */
async function profileOf(
  db: Knex,
  client_id: string,
): Promise<[string | undefined, number | null | undefined]> {
  const found = await findClient(db, client_id);
  return [found?.rotation_profile, found?.refresh_token_retry_window];
}

testOnStores(
  'a client that names no profile is mobile if it is public and web if it is confidential, for every way of registration',
  async (t, { db }) => {
    for (const first_party of [true, false]) {
      const phone = await makeClient(db, { ...bare, first_party, redirect_uris: ['app://cb'] });
      t.deepEqual(await profileOf(db, phone.client_id), ['mobile', null]);
      const site = await makeClient(db, { ...bare, ...isConfidential, first_party });
      t.deepEqual(await profileOf(db, site.client_id), ['web', 20]);
    }
    const redirect_uris = ['https://app.example/cb'];
    for (const [id, method, expected] of [
      ['named', { token_endpoint_auth_method: 'none' }, ['mobile', null]],
      ['secret', {}, ['web', 20]],
    ] as const) {
      await saveRegisteredClient(db, id, { redirect_uris, ...method }, 'itself', { source });
      t.deepEqual(await profileOf(db, id), expected, id);
    }
    for (const [id, method, expected] of [
      ['https://a.example/client', {}, ['mobile', null]],
      ['https://b.example/client', { token_endpoint_auth_method: 'private_key_jwt' }, ['web', 20]],
    ] as const) {
      const given = { redirect_uris, jwks_uri: 'https://a.example/jwks', ...method };
      const read = await readDocumentClient(db, id, given, { fetched_at: new Date(), source });
      t.deepEqual(
        [read?.rotation_profile, read?.refresh_token_retry_window],
        expected,
        'before it has a row',
      );
      if (read) await keepDocumentClient(db, read, source);
      t.deepEqual(await profileOf(db, id), expected, id);
    }
  },
);

const changes: [string, ClientChange, ClientChange, [string, number | null]][] = [
  ['a default becomes that of the new kind', isPublic, isConfidential, ['web', 20]],
  ['and back again', isConfidential, isPublic, ['mobile', null]],
  ['a chosen profile stays', { ...isPublic, rotation_profile: 'strict' }, isConfidential, ['strict', null]],
  ['another secret changes nothing', isConfidential, { client_name: 'Shop' }, ['web', 20]],
  ['the profile may change alone', isConfidential, { rotation_profile: 'strict' }, ['strict', null]],
  ['and gets its window', isPublic, { rotation_profile: 'web' }, ['web', 20]],
  [
    'null is the default',
    { ...isPublic, rotation_profile: 'strict' },
    { rotation_profile: null },
    ['mobile', null],
  ],
  ['a chosen window stays', { ...isConfidential, refresh_token_retry_window: 5 }, isPublic, ['mobile', 5]],
  ['a window may be chosen', isConfidential, { refresh_token_retry_window: 0 }, ['web', 0]],
  [
    'null is the window of the profile',
    { ...isConfidential, refresh_token_retry_window: 5 },
    { refresh_token_retry_window: null },
    ['web', 20],
  ],
];

testOnStores('a client keeps the profile that it chose', async (t, { db }) => {
  for (const [title, before, change, expected] of changes) {
    const given = Object.fromEntries(Object.entries({ ...bare, ...before }));
    const { client_id } = await makeClient(db, given);
    await db.transaction((tx) => updateClient(tx, client_id, change));
    t.deepEqual(await profileOf(db, client_id), expected, title);
  }
});

testOnStores(
  'a client that changes its own metadata keeps what an administrator chose',
  async (t, { db }) => {
    const redirect_uris = ['https://app.example/cb'];
    const save = async (id: string, method: object) =>
      await saveRegisteredClient(db, id, { redirect_uris, ...method }, 'itself', { source });
    for (const id of ['default', 'chosen']) await save(id, isPublic);
    await db.transaction((tx) => updateClient(tx, 'chosen', { rotation_profile: 'strict' }));
    for (const id of ['default', 'chosen']) await save(id, isConfidential);
    t.deepEqual(
      [await profileOf(db, 'default'), await profileOf(db, 'chosen')],
      [
        ['web', 20],
        ['strict', null],
      ],
    );
  },
);

const step = {
  directory: fileURLToPath(new URL('../../../migrations', import.meta.url)),
  loadExtensions: ['.ts'],
  name: '017_rotation_profiles.ts',
};

testOnStores(
  'the migration keeps clients, their sessions and their triggers as they are',
  async (t, { db }) => {
    for (const rotation_profile of rotationProfiles) {
      const client = await makeClient(db, { client_id: rotation_profile, rotation_profile });
      await openTestSession(db, { client });
    }
    await makeClient(db, { client_id: 'own', rotation_profile: 'strict', refresh_token_retry_window: 7 });
    const clients = async () => await db('clients').orderBy('client_id');
    const before = await clients();
    const version = async () => (await db('registry').first())?.version ?? 0;

    await db.migrate.down(step);
    const previous = before.map((one) => ({
      ...one,
      rotation_profile: one.rotation_profile === 'web' ? 'strict' : one.rotation_profile,
    }));
    t.deepEqual(await clients(), previous as never, 'the window of `web` is kept');
    await t.throwsAsync(db.raw("update clients set rotation_profile = 'web'"));

    await db.migrate.up(step);
    t.deepEqual(await clients(), previous as never);
    for (const { id } of await db('sessions').select('id')) t.is((await findSession(db, id))?.ended_at, null);
    t.is((await db('sessions').select('id')).length, rotationProfiles.length);
    const seen = await version();
    await db('clients').where({ client_id: 'own' }).update({ rotation_profile: 'web' });
    t.is(await version(), seen + 1, 'the client cache hears of changes');
    await t.throwsAsync(db('clients').update({ rotation_profile: 'lax' as never }));
  },
);
