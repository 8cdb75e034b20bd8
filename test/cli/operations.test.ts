import { recordEvents } from '../../src/core/audit/audit.ts';
import { decodeRefreshToken, mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { withJobLock } from '../../src/core/store/advisory_lock.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import { after, keyring, openTestSession, otherSecret, secret } from '../helpers/builders.ts';
import { assertRefusedCommand, kindred, kindredJson, runCommand } from '../helpers/commands.ts';
import { loadKeys } from '../helpers/keys.ts';
import { isActive, refresh, signIn } from '../helpers/oauth.ts';
import { environment, startTestServer } from '../helpers/server.ts';
import { testOnEmptyStores, testOnStores } from '../helpers/stores.ts';
import { readTables } from '../helpers/tables.ts';

testOnStores(
  'sweep reports what it removed, a dry run what it would remove, and of two sweeps at once one refuses',
  async (t, store) => {
    const { db, url: databaseUrl } = store;
    await openTestSession(db, {}, after(new Date(), -60 * 86_400));
    await recordEvents(db, [{ type: 'login_failed' }], after(new Date(), -500 * 86_400));
    await db('revoked_tokens').insert(
      [1, 2, 3].map((n) => ({ jti: `t${n}`, expires_at: after(new Date(), -n) })),
    );
    const before = await readTables(db);
    const rows = {
      sessions: 1,
      oidc_models: 0,
      revoked_tokens: 3,
      rate_limits: 0,
      audit_events: 1,
      devices: 0,
      known_browsers: 0,
      one_time_codes: 0,
      clients: 0,
      outbox: 0,
    };
    t.deepEqual(await kindredJson({ databaseUrl }, ['sweep', '--dry-run']), { dry_run: true, rows });
    t.deepEqual(await readTables(db), before);

    await withJobLock(databaseUrl, 'sweep', async () => {
      assertRefusedCommand(t, await kindred({ databaseUrl }, ['sweep']), /running already/);
      t.is((await kindred({ databaseUrl }, ['sweep', '--dry-run'])).code, 0, 'counting disturbs nobody');
      return {};
    });
    t.deepEqual(await readTables(db), before);

    const { code, stdout } = await kindred({ databaseUrl }, ['sweep']);
    t.is(code, 0);
    t.regex(stdout, /^revoked_tokens +3$/m);
    t.deepEqual(await kindredJson({ databaseUrl }, ['sweep']), {
      dry_run: false,
      rows: {
        sessions: 0,
        oidc_models: 0,
        revoked_tokens: 0,
        rate_limits: 0,
        audit_events: 0,
        devices: 0,
        known_browsers: 0,
        one_time_codes: 0,
        clients: 0,
        outbox: 0,
      },
    });
  },
);

testOnStores('keys are listed and rotated while a server runs, which uses the new ones', async (t, store) => {
  const server = await startTestServer(t, store);
  const { client, tokens } = await signIn(server);
  const { keys } = await kindredJson<{ keys: { kid: string; status: string }[] }>(server, ['keys']);
  t.deepEqual(
    keys.map((key) => key.status),
    ['current', 'current', 'upcoming', 'upcoming'],
  );
  t.false(JSON.stringify(keys).includes('jwk'));

  assertRefusedCommand(
    t,
    await kindred(server, ['rotate-keys']),
    /may sign from 20\d\d-.* on; if the current key has leaked, use --force/,
  );
  const kid = keys[2]?.kid;
  t.like(await kindredJson(server, ['rotate-keys', '--dry-run']), { outcome: 'too_young', kid });
  await store
    .db('signing_keys')
    .where({ status: 'upcoming', alg: 'ES256' })
    .update({ created_at: after(new Date(), -901) });
  t.like(await kindredJson(server, ['rotate-keys', '--dry-run']), { outcome: 'rotated', kid });
  const moved = [{ kid, alg: 'ES256' }];
  t.deepEqual(await kindredJson(server, ['rotate-keys']), {
    outcome: 'rotated',
    kid,
    keys: moved,
    dropped: 0,
  });
  t.is((await kindred(server, ['rotate-keys', '--force'])).code, 0);
  const [event] = await store.db('audit_events').where({ type: 'signing_key_rotated' });
  t.is(event?.actor, 'admin');
  t.true(await isActive(server, tokens.access_token), 'what the old key signed stays good');
  t.is((await refresh(server, client, tokens.refresh_token)).status, 200);
});

testOnStores(
  'the server secret is changed in four steps, and no session ends before the last',
  async (t, store) => {
    const run = async (secrets: string[], args: string[]) =>
      await runCommand(args, { env: environment(store.url, { KINDRED_SECRET: secrets.join() }) });
    await loadKeys(store.db);
    const session = await openTestSession(store.db);
    const early = mintRefreshToken(keyring, session, 0);

    // 1. Appended: it verifies on all nodes before any of them mints with it. 2. Moved first.
    const moved = createKeyring([otherSecret, secret]);
    const late = mintRefreshToken(moved, session, 1);
    t.not(decodeRefreshToken(early)?.key_id, decodeRefreshToken(late)?.key_id);
    const server = await startTestServer(t, store, { KINDRED_SECRET: `${secret},${otherSecret}` });
    t.is(
      (await refresh(server, { client_id: session.client_id }, early)).status,
      200,
      'minted under the old',
    );
    t.is(
      (await refresh(server, { client_id: session.client_id }, late)).status,
      200,
      'minted under the new, by a node that is one step ahead',
    );

    // 3. The signing keys.
    assertRefusedCommand(t, await run([otherSecret], ['rotate-keys', '--force']), /KINDRED_SECRET/);
    const before = await loadKeys(store.db, null, moved);
    const { stdout } = await run([otherSecret, secret], ['reencrypt-keys', '--json']);
    t.deepEqual(JSON.parse(stdout), { reencrypted: 4, unchanged: 0 });
    t.deepEqual(JSON.parse((await run([otherSecret, secret], ['reencrypt-keys', '--json'])).stdout), {
      reencrypted: 0,
      unchanged: 4,
    });

    // 4. The old one is removed.
    const last = createKeyring([otherSecret]);
    t.deepEqual(await loadKeys(store.db, null, last), before, 'the same keys');
    const alone = await startTestServer(t, store, { KINDRED_SECRET: otherSecret });
    t.is(
      (await refresh(alone, { client_id: session.client_id }, mintRefreshToken(last, session, 2))).status,
      200,
    );
    t.is(
      (await refresh(alone, { client_id: session.client_id }, mintRefreshToken(keyring, session, 3))).status,
      400,
      'what the old minted is void',
    );
  },
);

testOnStores('keys that no secret opens are not changed', async (t, store) => {
  await loadKeys(store.db);
  const before = await store.db('signing_keys');
  const outcome = await runCommand(['reencrypt-keys'], {
    env: environment(store.url, { KINDRED_SECRET: otherSecret }),
  });
  assertRefusedCommand(t, outcome, /KINDRED_SECRET/);
  t.deepEqual(await store.db('signing_keys'), before);
});

testOnEmptyStores('no operations command changes a database that is not migrated', async (t, { url }) => {
  for (const args of [
    ['sweep'],
    ['stats'],
    ['keys'],
    ['rotate-keys'],
    ['reencrypt-keys'],
    ['doctor', '--end-all-sessions', '--yes'],
  ]) {
    assertRefusedCommand(t, await kindred({ databaseUrl: url }, args), /has not been migrated/);
  }
});
