// Ban, disable, delete, force-logout and a password change, each during refreshes and logins on two nodes. Once the ending
// has been answered, no later request succeeds on any node, and tokens still in flight are inactive on arrival.

import type { ExecutionContext } from 'ava';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { enterAsClient, post } from '../helpers/admin.ts';
import { type Attempt, startBackgroundLoad } from '../helpers/background_load.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import { api, introspect, refresh, type SignedIn, signIn } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import { startServerProcess, type TestServer } from '../helpers/server.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';

type Nodes = [TestServer, TestServer];

async function startNodes(t: ExecutionContext, store: Store): Promise<Nodes> {
  const settings = { ISSUER: 'https://cluster.example.test' };
  const first = await startServerProcess(t, store, settings);
  return [first, await startServerProcess(t, store, settings)];
}

interface EndingCase {
  title: string;
  act: (server: TestServer, whose: SignedIn, admin: { token: string }) => Promise<void>;
  /** What survives it: nothing, the session of the request, or later logins. */
  spares: 'nothing' | 'own' | 'logins';
}

function byAdmin(verb: string): EndingCase['act'] {
  return async (server, { user }, admin) => {
    granted(await post(server, admin, `/users/${user.id}/${verb}`, { reason: 'race' }));
  };
}

const endings: EndingCase[] = [
  { title: 'a ban', act: byAdmin('ban'), spares: 'nothing' },
  { title: 'disabling', act: byAdmin('disable'), spares: 'nothing' },
  { title: 'deleting', act: byAdmin('delete'), spares: 'nothing' },
  { title: 'a forced logout', act: byAdmin('force-logout'), spares: 'logins' },
  {
    title: 'a change of the password',
    spares: 'own',
    async act(server, { tokens }) {
      const json = { current_password: password, new_password: 'another horse, another staple' };
      granted(await api(server, 'POST /me/password', tokens.access_token, { json }));
    },
  },
];

/** The session that an answer opened or continued. */
function sessionOf({ answer }: Attempt): string {
  return String(answer.body.session_id);
}

function isSuccess({ answer }: Attempt): boolean {
  return answer.status === 200;
}

/** Asserts that both nodes refuse the tokens of an answer. */
async function assertDead(t: ExecutionContext, nodes: Nodes, attempt: Attempt, i: number): Promise<void> {
  const { access_token, refresh_token } = attempt.answer.body;
  const node = nodes[i % 2] ?? nodes[0];
  t.deepEqual(await introspect(node, String(access_token)), { active: false }, attempt.what);
  const again = await refresh(node, attempt.client, String(refresh_token));
  t.is(again.body.error, 'invalid_grant', attempt.what);
}

/** One round; returns how many requests succeeded, and how many of those in flight the ending refused. */
async function race(t: ExecutionContext, nodes: Nodes, { title, act, spares }: EndingCase): Promise<string> {
  const [server] = nodes;
  const whose = await signIn(server, { user: await makeUser(server.db) });
  const { user } = whose;
  const admin = await enterAsClient(server, 'admin');
  const storm = await startBackgroundLoad(nodes, user);
  await storm.reach(1 + Math.floor(Math.random() * 25));
  const answeredBefore = new Set(storm.attempts);
  await act(nodes[Math.random() < 0.5 ? 0 : 1], whose, admin);
  storm.end();
  await storm.tryAgain();
  await storm.settle();
  const successes = storm.attempts.filter(isSuccess);
  const unexpected = storm.attempts.filter(
    (one) => !isSuccess(one) && one.answer.body.error !== 'invalid_grant',
  );
  t.deepEqual(unexpected, [], title);
  const mayBegin = ({ what }: Attempt) => spares === 'logins' && what === 'login';
  t.deepEqual(
    successes.filter((one) => one.isLate && !mayBegin(one)),
    [],
    `${title}, late`,
  );
  // A login that was answered after the logout had begun may survive it.
  const spared = successes.filter((one) => mayBegin(one) && !answeredBefore.has(one)).map(sessionOf);
  const mayLive = [...spared, ...(spares === 'own' ? [whose.tokens.session_id] : [])];
  const dead = successes.filter((one) => !mayLive.includes(sessionOf(one)));
  await Promise.all(dead.map((one, i) => assertDead(t, nodes, one, i)));
  const live = await server.db<Session>('sessions').where({ user_id: user.id }).whereNull('ended_at');
  t.deepEqual(
    live.map(({ id }) => id).filter((id) => !mayLive.includes(id)),
    [],
    `${title}, in the database`,
  );
  if ((await rowOf(server.db('users').where({ id: user.id }).first())).status === 'deleted') {
    t.deepEqual(
      await server.db('devices').where({ user_id: user.id }),
      [],
      'a login in flight has left no row',
    );
  }
  const refused = storm.attempts.filter((one) => !isSuccess(one) && !one.isLate).length;
  return `${successes.length} + ${refused}`;
}

// One after the other on the same two nodes, because processes are expensive. One round is not enough to catch a race, and a
// busy machine manages few rounds.
testOnStores(
  'no session or token outlives an ending that races 50 refreshes and 20 logins on two nodes',
  async (t, store) => {
    const nodes = await startNodes(t, store);
    const begun = Date.now();
    for (let round = 0; round < 3 && Date.now() - begun < 15_000; round += 1) {
      const seen: string[] = [];
      for (const ending of endings) seen.push(`${ending.title} ${await race(t, nodes, ending)}`);
      t.log(`succeeded in time + refused in flight: ${seen.join(', ')}`);
    }
  },
);
