// What the clients of each profile survive: several refreshes at once, and an answer that is lost. Reuse by a client that no
// administrator vouches for concerns its own session alone.
import type { ExecutionContext } from 'ava';
import * as oidc from 'openid-client';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { makeClient } from '../helpers/builders.ts';
import type { Answer } from '../helpers/client.ts';
import { logIn, setUpScene } from '../helpers/code_flow.ts';
import { type ClientAuth, isActive, refresh, signIn } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

const unsaid = { rotation_profile: undefined };

/** A client of each kind, and the window that it has. */
const kinds: [name: string, window: number, make: (server: TestServer) => Promise<ClientAuth>][] = [
  ['a public client that names no profile (mobile)', 60, ({ db }) => makeClient(db, unsaid)],
  [
    'a confidential client that names no profile (web)',
    20,
    (server) => makeConfidentialClient(server, unsaid),
  ],
  ['a strict client', 0, ({ db }) => makeClient(db, { rotation_profile: 'strict' })],
];

const okay = ({ status }: Answer) => status === 200;
const tokenOf = ({ body }: Answer) => String(body.refresh_token);

for (const [name, window, make] of kinds) {
  testOnServers(`eight refreshes at once of ${name}`, async (t, server) => {
    const client = await make(server);
    const { tokens } = await signIn(server, { client });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => refresh(server, client, tokens.refresh_token)),
    );
    const good = answers.filter(okay);
    t.is(good.length, window === 0 ? 1 : 8);
    t.is(new Set(good.map(tokenOf)).size, 1, 'there is one successor');
    const next = await refresh(server, client, tokenOf(good[0] as Answer));
    t.is(next.status, window === 0 ? 400 : 200);
  });

  testOnServers(`a lost answer of ${name}`, async (t, server) => {
    for (const seconds of [1, 10, 25]) {
      const client = await make(server);
      const { tokens } = await signIn(server, { client });
      const lost = await refresh(server, client, tokens.refresh_token);
      await letPass(server, tokens.session_id, seconds);
      const again = await refresh(server, client, tokens.refresh_token);
      if (seconds < window) {
        t.deepEqual([again.status, tokenOf(again)], [200, tokenOf(lost)], `${seconds} s`);
        t.is((await refresh(server, client, tokenOf(again))).status, 200);
      } else {
        t.deepEqual([again.status, again.body.reason], [400, 'token_reused'], `${seconds} s`);
        t.is((await refresh(server, client, tokenOf(lost))).body.reason, 'session_ended');
      }
    }
  });
}

/** Moves the last rotation of the session into the past. */
async function letPass({ db }: TestServer, id: string, seconds: number): Promise<void> {
  const session = await db('sessions').where({ id }).first();
  const rotated_at = new Date((session?.rotated_at?.getTime() ?? 0) - seconds * 1000);
  await db('sessions').where({ id }).update({ rotated_at });
}

const methods: Record<string, Partial<NewClient>> = {
  public: { token_endpoint_auth_method: 'none' },
  confidential: {},
};

for (const [kind, client] of Object.entries(methods)) {
  testOnServers(
    `reuse by a ${kind} client that registered itself leaves the user's other sessions as they are`,
    async (t, server) => {
      const scene = await setUpScene(server, { client: { ...unsaid, ...client } });
      await server.db('clients').where({ client_id: scene.client_id }).update({ registered_by: 'itself' });
      const phone = await signIn(server, { user: scene.user });
      const first = await logIn(scene);
      const second = await oidc.refreshTokenGrant(scene.config, first.refresh_token ?? '');
      await letPass(server, first.session_id, 100);
      await assertReused(t, scene.config, first.refresh_token ?? '');
      t.false(await isActive(server, second.access_token));
      t.true(await isActive(server, phone.tokens.access_token));
      const user = await server.db('users').where({ id: scene.user.id }).first();
      t.is(user?.token_version, scene.user.token_version);
      t.is((await refresh(server, phone.client, phone.tokens.refresh_token)).status, 200);
    },
  );
}

async function assertReused(t: ExecutionContext, config: oidc.Configuration, token: string): Promise<void> {
  const error = await t.throwsAsync(oidc.refreshTokenGrant(config, token), {
    instanceOf: oidc.ResponseBodyError,
  });
  t.like(error?.cause, { error: 'invalid_grant', reason: 'token_reused' });
}
