// SQLite under `kill -9` during writes by two processes on one file: the file stays intact and holds every answered change.
// The long form kills twenty times.
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Client } from '../../src/core/clients/clients.ts';
import { decodeRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { openDatabase, rows } from '../../src/core/store/db.ts';
import { makeClient, makeUser, type NamedUser } from '../helpers/builders.ts';
import type { Answer } from '../helpers/client.ts';
import { api, login, refresh, type Tokens, tokensOf } from '../helpers/oauth.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { type RunningProcess, runServerProcess, type TestServer } from '../helpers/server.ts';
import { makeStore, type OwnStore } from '../helpers/stores.ts';
import { giveTime, until } from '../helpers/until.ts';

const rounds = process.env.SOAK ? 20 : 5;
const writers = 6;

/** The answered changes of one session. */
interface Answered {
  generation: number;
  loggedOut: boolean;
}
type Story = Map<string, Answered>;

interface Scene {
  nodes: RunningProcess[];
  client: Client;
  user: NamedUser;
  chance: Random;
  record: Story;
  problems: string[];
  isOver: () => boolean;
}

/** Null when the node is gone, so that the outcome of the request is unknown. */
async function unlessGone<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (/^ECONN|^EPIPE|^HPE_INVALID_EOF/.test(code)) return null;
    throw error;
  }
}

function generationOf(tokens: Tokens): number {
  return decodeRefreshToken(tokens.refresh_token)?.generation ?? Number.NaN;
}

/** Logs in, refreshes a few times on either node, logs out or not, and repeats, until no node is left. */
async function write(scene: Scene): Promise<void> {
  while (!scene.isOver()) {
    const opened = await ask(scene, (node) => login(node, scene.user, scene.client));
    if (!opened) continue;
    let tokens = tokensOf(opened);
    const answered: Answered = { generation: 0, loggedOut: false };
    scene.record.set(tokens.session_id, answered);
    for (let i = 4 + scene.chance.below(12); i > 0 && !scene.isOver(); i -= 1) {
      const presented = generationOf(tokens);
      const answer = await ask(scene, (node) => refresh(node, scene.client, tokens.refresh_token));
      // Retries with the same token, as an app does without an answer.
      if (!answer) continue;
      tokens = tokensOf(answer);
      answered.generation = generationOf(tokens);
      if (answered.generation !== presented + 1)
        scene.problems.push(`${presented} became ${answered.generation}`);
    }
    if (scene.chance.below(3) > 0) continue;
    const left = await ask(scene, (node) => api(node, 'POST /logout', tokens.access_token));
    if (left?.status === 200) answered.loggedOut = true;
    else if (left && left.status !== 401) scene.problems.push(`logout: ${left.status}`);
  }
}

// A node that is gone gets no further request.
async function ask(scene: Scene, question: (node: TestServer) => Promise<Answer>): Promise<Answer | null> {
  const node = scene.chance.pick(scene.nodes);
  if (!node) return null;
  const answer = await unlessGone(question(node as unknown as TestServer));
  // The answer was to retry, as on a busy machine: the other process holds the file.
  if (answer && answer.status !== 503) return answer;
  await sleep(20);
  return null;
}

/** Opens the file as the next process after a crash does, and checks that every answered change is there. */
async function inspect(t: ExecutionContext, url: string, record: Story, title: string): Promise<void> {
  const db = openDatabase(url);
  try {
    t.deepEqual(await rows(db, 'pragma integrity_check'), [{ integrity_check: 'ok' }], title);
    t.deepEqual(await rows(db, 'pragma foreign_key_check'), [], title);
    const stored = new Map((await db<Session>('sessions')).map((one) => [one.id, one]));
    const lost = [...record].filter(([id, { generation, loggedOut }]) => {
      const session = stored.get(id);
      return !session || session.generation < generation || (loggedOut && session.ended_reason !== 'logout');
    });
    t.deepEqual(lost, [], title);
    const punished = [...stored.values()].filter((one) => one.ended_at && one.ended_reason !== 'logout');
    t.deepEqual(punished, [], `${title}: no retry is taken for reuse`);
  } finally {
    await db.destroy();
  }
}

/** Runs two nodes with writes and kills one of them or both. */
async function crash(t: ExecutionContext, store: OwnStore, scene: Scene, round: number): Promise<void> {
  const { chance, record } = scene;
  const settings = { ISSUER: 'https://id.example.test' };
  const both = await Promise.all([
    runServerProcess(store.url, settings),
    runServerProcess(store.url, settings),
  ]);
  t.teardown(() => Promise.all(both.map((one) => one.kill())));
  let over = false;
  scene.nodes = [...both];
  scene.isOver = () => over;
  const before = record.size;
  const writing = Promise.all(Array.from({ length: writers }, () => write(scene)));
  // Awaited at the end, so that an earlier failure is not followed by an unhandled one.
  writing.catch(() => {});
  // On a busy machine it takes some time until there are writes to interrupt.
  await until(() => record.size >= before + writers, 'there is something to interrupt');
  await sleep(chance.below(600));
  const [first, second] = both;
  await first.kill();
  const survives = round % 2 === 1;
  if (survives) {
    scene.nodes = [second];
    await inspect(t, store.url, new Map(record), `round ${round}, beside a node that goes on`);
    await sleep(chance.below(600));
  }
  await second.kill();
  over = true;
  await writing;
  await inspect(t, store.url, record, `round ${round}`);
}

test(`a file that two processes write survives ${rounds} kills and holds every answered change`, async (t) => {
  giveTime(t, 2);
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const chance = createRandom();
  t.log(`seed ${chance.seed}`);
  const client = await makeClient(store.db, { refresh_token_retry_window: 600 });
  const user = await makeUser(store.db);
  // Otherwise this process would keep the file open, and the next one would not have to recover it.
  await store.db.destroy();
  const record: Story = new Map();
  const scene: Scene = { nodes: [], client, user, chance, record, problems: [], isOver: () => false };
  for (let round = 0; round < rounds; round += 1) await crash(t, store, scene, round);
  t.deepEqual(scene.problems, []);
  const refreshes = [...record.values()].reduce((sum, one) => sum + one.generation, 0);
  const logouts = [...record.values()].filter((one) => one.loggedOut).length;
  t.log(`${record.size} logins, ${refreshes} refreshes, ${logouts} logouts`);
  t.true(refreshes > rounds);
});
