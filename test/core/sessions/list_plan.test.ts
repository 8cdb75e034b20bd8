// Postgres plans the list of sessions once for each connection, and not anew for each user, also when it knows the tables well.
import type { Knex } from 'knex';
import { listForToken } from '../../../src/core/access_tokens/token_sessions.ts';
import { listLiveSessions } from '../../../src/core/sessions/session_list.ts';
import { openDatabase, rows } from '../../../src/core/store/db.ts';
import { makeClient, makeUser, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

/** Makes 20,000 live sessions of 100 other users, far more than the user of the test has, and lets Postgres look at them. */
async function fill(db: Knex, client_id: string): Promise<void> {
  const id = (n: string) => `cast('01900000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0') as uuid)`;
  await db.raw(`insert into users (id, username, username_key, status, roles, permissions, created_at, updated_at)
    select ${id('n')}, 'u' || n, 'u' || n, 'active', '[]', '[]', now(), now() from generate_series(0, 99) n`);
  await db.raw(
    `insert into sessions (id, user_id, client_id, grant_payload, token_payload, salt, idle_ttl, created_at, last_used_at,
       absolute_expires_at, session_epoch)
     select ${id('n')}, ${id('n % 100')}, ?, '{}', '{}', '\\x00', 86400, now(), now(),
       now() + interval '30 days', 0 from generate_series(1, 20000) n`,
    [client_id],
  );
  await db.raw('analyze');
}

testOnStores(
  'the list of sessions keeps its plan once Postgres has statistics',
  async (t, store) => {
    const db = openDatabase(store.url, { pool: 1 });
    t.teardown(() => db.destroy());
    const user = await makeUser(db);
    const client = await makeClient(db);
    const opened = [];
    for (let n = 0; n < 2; n += 1) opened.push(await openTestSession(db, { user, client }));
    await fill(db, client.client_id);
    const [{ id: sid } = { id: '' }] = opened;
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      ...{ sub: user.id, sid, jti: 'a', client_id: client.client_id, iat: now, exp: now + 900 },
      ...{ iss: 'https://a.example', aud: 'https://a.example/api', scope: 'account', tv: user.token_version },
    };
    for (let n = 0; n < 10; n += 1) {
      t.is((await listLiveSessions(db, user.id, { limit: 50 })).length, 2);
      await listForToken(db, claims, 50);
    }
    const plans = await rows<{ name: string; generic_plans: number; custom_plans: number }>(
      db,
      `select name, generic_plans, custom_plans from pg_prepared_statements
       where name in ('live_sessions', 'live_sessions_for_token') order by name`,
    );
    // Postgres tries five plans for the given values before it compares them with one for any values.
    const expected = { generic_plans: 5, custom_plans: 5 };
    t.deepEqual(plans, [
      { name: 'live_sessions', ...expected },
      { name: 'live_sessions_for_token', ...expected },
    ]);
  },
  ['postgres'],
);
