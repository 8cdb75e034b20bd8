import { makeClient, makeUser, password } from '../../helpers/builders.ts';
import { login, refresh, tokensOf } from '../../helpers/oauth.ts';
import { rotate } from '../../helpers/rotate.ts';
import { spawnServer } from '../../helpers/server_process.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores('every event is also a log line, with its level and without secrets', async (t, store) => {
  const { url, lines, output, child, exited } = await spawnServer(t, store.url, {
    LOG_LEVEL: 'debug',
    AUDIT_REFRESHES: 'all',
  });
  const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
  const [user, client] = [await makeUser(store.db), await makeClient(store.db)];
  const tokens = tokensOf(
    await login(server, user, client, { push_token: 'a-push-token', device_id: 'phone' }),
  );
  await login(server, user, client, { password: 'not the password' });
  await refresh(server, client, tokens.refresh_token);
  const { headers } = await refresh(server, client, tokens.refresh_token);
  child.kill('SIGTERM');
  t.is(await exited, 0);

  const levels: Record<number, string> = { 20: 'debug', 30: 'info', 40: 'warn' };
  const events = lines().filter((line) => line.security_event);
  t.deepEqual(
    events.map((line) => [line.security_event, levels[line.level as number]]),
    [
      ['session_opened', 'info'],
      ['login_failed', 'warn'],
      ['refresh_token_rotated', 'debug'],
      ['refresh_token_reused', 'warn'],
      ['session_ended', 'info'],
    ],
  );
  const { level: _, time: __, ...reused } = events[3] ?? {};
  t.deepEqual(reused, {
    security_event: 'refresh_token_reused',
    user_id: user.id,
    session_id: tokens.session_id,
    client_id: client.client_id,
    actor: 'client',
    actor_id: client.client_id,
    detail: { presented_generation: 0, current_generation: 1 },
    ip: '127.0.0.1',
    request_id: headers['x-request-id'],
    msg: 'security event',
  });
  const stored = await store.db('audit_events');
  t.deepEqual(
    stored.map((event) => event.type).toSorted(),
    events.map((line) => line.security_event).toSorted(),
  );
  const secrets = [password, 'not the password', tokens.access_token, tokens.refresh_token, 'a-push-token'];
  for (const secret of secrets) t.false(output().includes(secret));
});

testOnStores('events of commands and of other processes are not logged by this process', async (t, store) => {
  const { url, lines, child, exited } = await spawnServer(t, store.url, { LOG_LEVEL: 'debug' });
  const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
  const [user, client] = [await makeUser(store.db), await makeClient(store.db)];
  const { session_id } = tokensOf(await login(server, user, client));
  await rotate(store.db, {
    session_id,
    generation: -1,
    retry_window: 0,
    observe: false,
    raise_token_version: true,
    version: null,
    proof: null,
    source: { ip: null, user_agent: null, request_id: null },
  });
  child.kill('SIGTERM');
  await exited;
  t.deepEqual(
    lines().flatMap((line) => line.security_event ?? []),
    ['session_opened'],
  );
});
