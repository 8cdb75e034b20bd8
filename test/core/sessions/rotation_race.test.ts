import type { Knex } from 'knex';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { openTestSession, present, source } from '../../helpers/builders.ts';
import { runChildren } from '../../helpers/child.ts';
import { type Presented, type Rotation, rotate } from '../../helpers/rotate.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { countRows, openDatabases } from '../../helpers/tables.ts';

const rotateProcess = new URL('children/rotate.ts', import.meta.url);

async function atOnce(nodes: Knex[], times: number, presented: Presented): Promise<Rotation[]> {
  const uses = Array.from({ length: times }, (_, i) => nodes[i % nodes.length]);
  return await Promise.all(uses.map((node) => rotate(node as Knex, presented)));
}

/** How often each outcome was returned, as in `{ 'rotated 1': 1, 'retried 1': 49 }`. */
function tally(answers: Rotation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const name = 'generation' in answer ? `${answer.outcome} ${answer.generation}` : answer.outcome;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const oneSurvivor = { 'rotated 1': 1, reused: 1, ended: 48 };
const oneSuccessor = { 'rotated 1': 1, 'retried 1': 49 };

/** The state of a family after reuse. */
async function readRemains(db: Knex, session: Session): Promise<Record<string, unknown>> {
  const row = await findSession(db, session.id);
  const events: { type: string }[] = await db('audit_events')
    .where({ session_id: session.id })
    .select('type');
  return {
    generation: row?.generation,
    ended_reason: row?.ended_reason,
    ended_by: row?.ended_by,
    is_ended: row?.ended_at instanceof Date,
    token_version: (await findUser(db, session.user_id))?.token_version,
    events: events.map((event) => event.type).sort(),
  };
}

const deadFamily = {
  generation: 1,
  ended_reason: 'reuse_detected',
  ended_by: 'system',
  is_ended: true,
  token_version: 1,
  events: ['refresh_token_reused', 'session_ended', 'session_opened'],
};

/** A family in which only the columns of the rotation have changed. */
async function readFamily(db: Knex, session: Session): Promise<Record<string, unknown>> {
  const { rotated_at, last_used_at, ...row } = await rowOf(db('sessions').where({ id: session.id }).first());
  return { ...row, moved: rotated_at?.getTime() === last_used_at.getTime() };
}

function aliveAt(session: Session, generation: number): Record<string, unknown> {
  const { rotated_at: _, last_used_at: __, ...row } = session;
  return { ...row, generation, moved: true };
}

testOnStores(
  'of 50 concurrent uses without a retry window one wins, and the session ends',
  async (t, { db }) => {
    const session = await openTestSession(db);
    const bystander = await openTestSession(db);
    t.deepEqual(tally(await atOnce([db], 50, present(session, 0))), oneSurvivor);
    t.deepEqual(await readRemains(db, session), deadFamily);
    t.is((await findSession(db, bystander.id))?.ended_at, null);
    t.deepEqual(await rotate(db, present(session, 1)), { outcome: 'ended' }, 'the winner holds nothing');
  },
);

testOnStores('50 concurrent uses within the retry window all get the same successor', async (t, { db }) => {
  const session = await openTestSession(db);
  const counts = await countRows(db);
  const answers = await atOnce([db], 50, present(session, 0, { retry_window: 60 }));
  t.deepEqual(tally(answers), oneSuccessor);
  t.deepEqual(await readFamily(db, session), aliveAt(session, 1));
  t.deepEqual(await countRows(db), counts);
  t.deepEqual(await rotate(db, present(session, 1)), { outcome: 'rotated', generation: 2 });
});

testOnStores('several nodes agree on one winner', async (t, store) => {
  const nodes = await openDatabases(t, store, 4);
  for (let round = 0; round < 3; round += 1) {
    const strict = await openTestSession(store.db);
    t.deepEqual(tally(await atOnce(nodes, 50, present(strict, 0))), oneSurvivor);
    t.deepEqual(await readRemains(store.db, strict), deadFamily);
    const lenient = await openTestSession(store.db);
    const answers = await atOnce(nodes, 50, present(lenient, 0, { retry_window: 60 }));
    t.deepEqual(tally(answers), oneSuccessor);
    t.deepEqual(await readFamily(store.db, lenient), aliveAt(lenient, 1));
  }
});

async function fromTwoProcesses(url: string, presented: Presented): Promise<Rotation[]> {
  const ended = await runChildren(2, rotateProcess, [url, '25', JSON.stringify(presented)]);
  return ended.flatMap(({ stdout, stderr }) => {
    if (stderr) throw new Error(stderr);
    return JSON.parse(stdout) as Rotation[];
  });
}

testOnStores('two processes with one strict token: one wins, and the session ends', async (t, store) => {
  const session = await openTestSession(store.db);
  t.deepEqual(tally(await fromTwoProcesses(store.url, present(session, 0))), oneSurvivor);
  t.deepEqual(await readRemains(store.db, session), deadFamily);
});

testOnStores(
  'two processes within the retry window: one successor, and the session stays live',
  async (t, store) => {
    const session = await openTestSession(store.db);
    const answers = await fromTwoProcesses(store.url, present(session, 0, { retry_window: 60 }));
    t.deepEqual(tally(answers), oneSuccessor);
    t.deepEqual(await readFamily(store.db, session), aliveAt(session, 1));
  },
);

testOnStores(
  'of 20 concurrent uses of a generation that the database lost, one is accepted',
  async (t, store) => {
    const session = await openTestSession(store.db);
    const answers = await atOnce(
      await openDatabases(t, store, 3),
      20,
      present(session, 5, { retry_window: 60 }),
    );
    t.deepEqual(tally(answers), { 'rotated 6': 1, 'retried 6': 19 });
    t.deepEqual(await readFamily(store.db, session), aliveAt(session, 6));
  },
);

testOnStores('20 concurrent reuses end the session once', async (t, store) => {
  const session = await openTestSession(store.db);
  for (const generation of [0, 1, 2]) await rotate(store.db, present(session, generation));
  const answers = await atOnce(await openDatabases(t, store, 3), 20, present(session, 0));
  t.deepEqual(tally(answers), { reused: 1, ended: 19 });
  t.deepEqual(await readRemains(store.db, session), { ...deadFamily, generation: 3 });
});

testOnStores('concurrent reuse in all sessions of one user ends each of them once', async (t, store) => {
  const first = await openTestSession(store.db);
  const user = await findUser(store.db, first.user_id);
  const more = await Promise.all(
    Array.from({ length: 5 }, () => openTestSession(store.db, user ? { user } : {})),
  );
  const all = [first, ...more];
  await Promise.all(all.map((session) => rotate(store.db, present(session, 0))));
  const nodes = await openDatabases(t, store, 3);
  const answers = await Promise.all(all.map((session) => atOnce(nodes, 4, present(session, 0))));
  t.deepEqual(
    answers.map(tally),
    all.map(() => ({ reused: 1, ended: 3 })),
  );
  t.is((await findUser(store.db, first.user_id))?.token_version, 6, 'raised once a session');
});

testOnStores(
  'concurrent reuse by an observed client always gets the current token and is recorded each time',
  async (t, store) => {
    const session = await openTestSession(store.db);
    for (const generation of [0, 1, 2]) await rotate(store.db, present(session, generation));
    const answers = await atOnce(
      await openDatabases(t, store, 3),
      20,
      present(session, 0, { observe: true }),
    );
    t.deepEqual(tally(answers), { 'retried 3': 20 });
    const events = await store.db('audit_events').where({ type: 'refresh_token_reuse_observed' });
    t.deepEqual(
      events.map(({ ip, session_id, detail }) => ({ ip, session_id, detail })),
      events.map(() => ({
        ip: source.ip,
        session_id: session.id,
        detail: { presented_generation: 0, current_generation: 3 },
      })),
    );
    t.is(events.length, 20);
    t.deepEqual(await readFamily(store.db, session), aliveAt(session, 3));
  },
);
