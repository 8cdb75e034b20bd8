import { kindred, kindredJson } from '../helpers/commands.ts';
import { token } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';

testOnServers(
  'a client is read, changed, given a second secret and removed from the command line',
  async (t, server) => {
    const made = await kindredJson(server, ['create-client', '--metadata', '-'], '{"client_id":"batch"}');
    const ask = async (client_secret: unknown) =>
      (
        await token(
          server,
          { grant_type: 'client_credentials' },
          { headers: { Authorization: basic(String(client_secret)) } },
        )
      ).status;
    const listed = await kindredJson(server, ['clients']);
    t.true((listed as unknown as { client_id: string }[]).some((one) => one.client_id === 'batch'));
    const changed = await kindredJson(
      server,
      ['update-client', 'batch', '--metadata', '-'],
      '{"access_token_ttl":60}',
    );
    t.is(changed.access_token_ttl, 60);
    t.is((await kindredJson(server, ['client', 'batch'])).access_token_ttl, 60);
    const second = await kindredJson(server, ['add-client-secret', 'batch']);
    t.deepEqual([await ask(made.client_secret), await ask(second.client_secret)], [200, 200]);
    const [first] = made.client_secrets as { id: string }[];
    await kindredJson(server, ['remove-client-secret', 'batch', first?.id ?? '']);
    t.deepEqual([await ask(made.client_secret), await ask(second.client_secret)], [401, 200]);
    const bad = await kindred(
      server,
      ['update-client', 'batch', '--metadata', '-'],
      '{"grant_types":["nonsense"]}',
    );
    t.is(bad.code, 1);
    const asked = await kindred(server, ['delete-client', 'batch']);
    t.is(asked.code, 1);
    t.regex(asked.stderr, /would delete client batch .*end its 0 live sessions and 0 consents; add --yes/);
    t.is(await ask(second.client_secret), 200);
    await kindredJson(server, ['delete-client', 'batch', '--yes']);
    t.is(await ask(second.client_secret), 401);
    for (const gone of [
      ['client', 'batch'],
      ['delete-client', 'batch'],
      ['add-client-secret', 'batch'],
    ]) {
      const { code, stderr } = await kindred(server, gone);
      t.deepEqual([code, stderr], [1, 'kindred: there is no such client\n']);
    }
  },
);

testOnServers('a resource server is read, changed and removed from the command line', async (t, server) => {
  const identifier = 'https://cli.example.test/';
  await kindredJson(server, ['create-resource-server', '--identifier', identifier, '--format', 'jwt']);
  await kindredJson(server, ['update-resource-server', identifier, '--metadata', '-'], '{"scope":"a b"}');
  t.is((await kindredJson(server, ['resource-server', identifier])).scope, 'a b');
  const listed = await kindredJson(server, ['resource-servers']);
  t.true((listed as unknown as { identifier: string }[]).some((one) => one.identifier === identifier));
  await kindredJson(server, ['delete-resource-server', identifier]);
  const { code, stderr } = await kindred(server, ['resource-server', identifier]);
  t.deepEqual([code, stderr], [1, 'kindred: there is no such resource server\n']);
});

function basic(secret: string): string {
  return `Basic ${Buffer.from(`batch:${secret}`).toString('base64')}`;
}
