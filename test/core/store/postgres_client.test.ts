// What is set for a database changes how it writes values, and nothing of what we read.
import test from 'ava';
import { openDatabase, rows } from '../../../src/core/store/db.ts';
import { openNodeNotices } from '../../../src/core/store/node_notices.ts';
import { createLog } from '../../../src/lib/log.ts';
import { granted } from '../../helpers/client.ts';
import { runCommand } from '../../helpers/commands.ts';
import { api, introspect, refresh, signIn } from '../../helpers/oauth.ts';
import { openRewritingProxy } from '../../helpers/rewriting_proxy.ts';
import { environment, startTestServer } from '../../helpers/server.ts';
import { makeStore, type OwnStore } from '../../helpers/stores.ts';
import { giveTime, until } from '../../helpers/until.ts';

const strange = {
  datestyle: 'German',
  timezone: 'Asia/Kolkata',
  intervalstyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  default_transaction_isolation: 'serializable',
};

async function makeStrangeStore(): Promise<OwnStore> {
  const store = await makeStore('postgres');
  for (const [name, value] of Object.entries(strange)) {
    await store.db.raw(
      `do $$ begin execute format('alter database %I set ${name} to %L', current_database(), '${value}'); end $$`,
    );
  }
  return store;
}

test('a database with other settings works like any other', async (t) => {
  giveTime(t);
  const store = await makeStrangeStore();
  t.teardown(store.drop);
  const fresh = openDatabase(store.url, { pool: 1 });
  t.teardown(() => fresh.destroy());
  const [shown] = await rows<{ at: Date; interval: string }>(
    fresh,
    `select timestamptz '2026-11-27 07:16:06.123Z' as at, current_setting('intervalstyle') as interval`,
    {},
    { at: 'time' },
  );
  t.deepEqual(shown, { at: new Date('2026-11-27T07:16:06.123Z'), interval: 'iso_8601' });

  const server = await startTestServer(t, { ...store, db: fresh });
  const { client, tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const next = granted(await refresh(server, client, tokens.refresh_token));
  t.true((await introspect(server, String(next.access_token))).active);
  const { sessions } = granted(await api(server, 'GET /sessions', String(next.access_token)));
  const [session] = sessions as { created_at: string }[];
  const age = Date.now() - Date.parse(session?.created_at ?? '');
  t.true(Math.abs(age) < 3_600_000, session?.created_at);
  const doctor = await runCommand(['doctor'], { env: environment(store.url) });
  t.is(doctor.code, 0, doctor.stdout + doctor.stderr);
});

test('a connection on which LISTEN is refused is closed', async (t) => {
  giveTime(t);
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const way = await openRewritingProxy(store.url, 'listen kindred', 'LISTEN 1234567');
  t.teardown(way.close);
  let refused = 0;
  const log = createLog({ level: 'silent' });
  log.warn = () => {
    refused += 1;
  };
  const notices = openNodeNotices(way.url, log, 10);
  t.teardown(notices.close);
  await until(() => refused >= 5, 'five tries');
  const count = async () => {
    const { rows: found } = await store.db.raw(
      `select count(*) as n from pg_stat_activity
        where datname = current_database() and application_name = 'kindred notices'`,
    );
    return found[0].n as number;
  };
  t.true((await count()) <= 2, 'the present one, and one that is just going');
});
