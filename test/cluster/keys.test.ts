// Signing keys on two nodes: when one rotates the other follows, and no verification fails.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { jwtVerify } from 'jose';
import { type Admin, enterAsAdmin, post, read } from '../helpers/admin.ts';
import { granted, type Json, send } from '../helpers/client.ts';
import {
  isActive,
  keySetOf,
  refresh,
  type SignedIn,
  signIn,
  type Tokens,
  tokensOf,
} from '../helpers/oauth.ts';
import { startServerProcess, startTestServer, type TestServer } from '../helpers/server.ts';
import { type Store, type StoreName, testOnStores } from '../helpers/stores.ts';
import { until, untilTime } from '../helpers/until.ts';

/** Seconds after a rotation within which another node follows: by a notification, or when it looks the keys up. */
const following: Record<StoreName, number> = { postgres: 2, sqlite: 6 };

interface Nodes {
  /** The node on which the administrator rotates. */
  first: TestServer;
  second: TestServer;
}

// One node in this process and one in its own: they share only the database.
async function startNodes(t: ExecutionContext, store: Store, lead: number): Promise<Nodes> {
  const settings = { ISSUER: 'https://cluster.example.test', SIGNING_KEY_LEAD: String(lead) };
  const first = await startTestServer(t, store, settings);
  return { first, second: await startServerProcess(t, store, settings) };
}

async function publishedKids(server: TestServer): Promise<unknown[]> {
  return (granted(await send(`${server.url}/jwks`)).keys as Json[]).map((key) => key.kid);
}

/** Waits until `second` publishes the keys of `first`; returns the seconds it took. */
async function untilFollowed({ first, second }: Nodes): Promise<number> {
  const start = Date.now();
  const expected = String(await publishedKids(first));
  await until(async () => String(await publishedKids(second)) === expected, 'the other node follows');
  return (Date.now() - start) / 1000;
}

testOnStores('another node signs with the new key within seconds', async (t, store) => {
  const nodes = await startNodes(t, store, 900);
  const admin = await enterAsAdmin(nodes.first);
  const { client, tokens } = await signIn(nodes.second);
  const { kid } = granted(await post(nodes.first, admin, '/keys/rotate', { force: true }));
  const seconds = await untilFollowed(nodes);
  t.log(`${seconds} s`);
  if (process.env.SOAK) t.true(seconds < following[store.name], `${seconds} s`);
  const next = tokensOf(await refresh(nodes.second, client, tokens.refresh_token));
  const { protectedHeader } = await jwtVerify(next.access_token, verifierOf(nodes.second));
  t.is(protectedHeader.kid, String(kid));
});

/** Milliseconds for which a verifier does not fetch the keys again. */
const cooldown = 2_000;

/** The key set of a node as a resource server caches it: fetched again for an unknown key, but not more often. */
function verifierOf(server: TestServer) {
  return keySetOf(server, { cooldownDuration: cooldown });
}

interface Seen {
  verified: number;
  kids: Set<string>;
  failures: Set<string>;
}

/** Refreshes and verifies, alternating between the nodes, until `over`. */
async function keepRefreshing(
  { first, second }: Nodes,
  verifiers: ReturnType<typeof verifierOf>[],
  { client, tokens }: SignedIn,
  seen: Seen,
  isOver: () => boolean,
): Promise<void> {
  let held: Tokens = tokens;
  for (let turn = 0; !isOver(); turn += 1) {
    const [here, there] = turn % 2 === 0 ? [first, second] : [second, first];
    const answer = await refresh(here, client, held.refresh_token);
    if (answer.status !== 200) return void seen.failures.add(answer.text);
    held = tokensOf(answer);
    for (const keySet of verifiers) {
      for (const token of [held.access_token, String(held.id_token)]) {
        try {
          seen.kids.add(String((await jwtVerify(token, keySet)).protectedHeader.kid));
          seen.verified += 1;
        } catch (error) {
          seen.failures.add(String(error));
        }
      }
    }
    if ((await isActive(there, held.access_token)) !== true) seen.failures.add('inactive at the other node');
    await sleep(20);
  }
}

/** Rotates as soon as the upcoming key may sign, as the job does. */
async function rotateWhenReady(nodes: Nodes, admin: Admin, lead: number): Promise<void> {
  const { first } = nodes;
  // The purpose of the lead time: by then every node publishes the key and verifiers may fetch it.
  await untilFollowed(nodes);
  await sleep(cooldown);
  const keys = (await read(first, admin, '/keys')).keys as { status: string; created_at: string }[];
  const upcoming = keys.find((key) => key.status === 'upcoming');
  await untilTime(Date.parse(String(upcoming?.created_at)) + lead * 1000 + 50);
  granted(await post(first, admin, '/keys/rotate'));
}

testOnStores('keys rotate twice under load on two nodes without a failed verification', async (t, store) => {
  // Longer than a node needs to publish the next key, and than a verifier's pause.
  const lead = following[store.name] + 1;
  const nodes = await startNodes(t, store, lead);
  const admin = await enterAsAdmin(nodes.first);
  const verifiers = [verifierOf(nodes.first), verifierOf(nodes.second)];
  const seen: Seen = { verified: 0, kids: new Set(), failures: new Set() };
  let over = false;
  const users = await Promise.all(
    Array.from({ length: 4 }, () => signIn(nodes.first, { form: { scope: 'openid' } })),
  );
  const load = users.map((user) => keepRefreshing(nodes, verifiers, user, seen, () => over));
  const rotations = async () => {
    for (let round = 0; round < 2; round += 1) await rotateWhenReady(nodes, admin, lead);
    await untilFollowed(nodes);
    const { verified } = seen;
    await until(() => seen.failures.size > 0 || seen.verified > verified + 40, 'the last key is used');
  };
  const end = () => {
    over = true;
  };
  await Promise.all([...load, rotations().finally(end)]);
  t.deepEqual([...seen.failures], []);
  t.is(seen.kids.size, 3, 'three keys have signed');
  t.log(`${seen.verified} verifications`);
  t.is(await isActive(nodes.second, admin.token), true, 'a token of the first key');
  await jwtVerify(admin.token, verifierOf(nodes.second));
});
