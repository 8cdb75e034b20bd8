import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeUser } from '../helpers/builders.ts';
import { assertRefusedCommand, kindred } from '../helpers/commands.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';

const of = (store: Store) => ({ databaseUrl: store.url });

async function provedOf({ db }: Store): Promise<string[]> {
  return await db('users').whereNotNull('email_verified_at').orderBy('email').pluck<string[]>('email');
}

testOnStores('the operator vouches for the addresses of a list, or for all', async (t, store) => {
  for (const name of ['ada', 'bob', 'eve']) await makeUser(store.db, { email: `${name}@bücher.example` });
  const proved = await makeUser(store.db, { email: 'own@x.example', email_verified: true });
  const folder = await mkdtemp(join(tmpdir(), 'kindred-trust-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'addresses');
  await writeFile(file, ' ADA@xn--bcher-kva.example\r\n\nown@x.example\nnobody@x.example\nno address\n');
  const listed = await kindred(of(store), ['trust-addresses', '--file', file, '--json']);
  t.is(listed.code, 1);
  t.deepEqual(JSON.parse(listed.stdout), { trusted: 1, proved: 1, unknown: 2, unknown_lines: [4, 5] });
  t.deepEqual(await provedOf(store), ['ada@bücher.example', 'own@x.example']);
  const all = await kindred(of(store), ['trust-addresses']);
  t.deepEqual([all.code, all.stdout], [0, '2 addresses count as verified now\n']);
  t.is((await provedOf(store)).length, 4);
  const events = await store.db('audit_events').where({ type: 'addresses_trusted' });
  t.deepEqual(
    events.map(({ actor }) => actor),
    ['admin', 'admin', 'admin'],
  );
  t.false(events.some(({ user_id }) => user_id === proved.id));
  assertRefusedCommand(
    t,
    await kindred(of(store), ['trust-addresses', '--file', `${file}-absent`]),
    /there is no such file/,
  );
});
