// Simultaneous refreshes at the direct entrance, alone and together with the one through the engine; and the limit of rotations.
import type { ExecutionContext } from 'ava';
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { listRotations } from '../../src/core/sessions/session_rotations.ts';
import type { EndedReason, Session } from '../../src/core/sessions/sessions.ts';
import { keyring, makeClient, makeUser, openTestSession } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer } from '../helpers/twin_answers.ts';
import { type App, openPair, ownApi, type Pair, type Twin } from '../helpers/twins.ts';
import { until } from '../helpers/until.ts';

async function openFamily({ deps: { db } }: Pair, refresh_token_retry_window: number): Promise<Twin> {
  const user = await makeUser(db);
  const client = await makeClient(db, { refresh_token_retry_window });
  const session = await openTestSession(db, {
    user,
    client,
    grant_payload: { openid: { scope: 'account' }, resources: { [ownApi]: 'account' } },
    token_payload: { gty: 'password', scope: 'account', resource: ownApi, authTime: 1_700_000_000 },
  });
  return { user, session };
}

async function use(app: App, { client_id }: Session, refresh_token: string): Promise<Answer> {
  return await send(`${app.url}/token`, {
    form: { grant_type: 'refresh_token', client_id, refresh_token },
  });
}

async function useAtOnce(apps: App[], session: Session, times = 20): Promise<Answer[]> {
  const token = mintRefreshToken(keyring, session, 0);
  const uses = Array.from({ length: times }, (_, i) => apps[i % apps.length]);
  return await Promise.all(uses.map((app) => use(app as App, session, token)));
}

/** How often each answer was given. */
function tally(answers: Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const name = [status, body.reason ?? body.refresh_token].join(' ');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const groups: [string, (pair: Pair) => App[]][] = [
  ['through the direct entrance', ({ fast }) => [fast]],
  ['through both entrances', ({ fast, engine }) => [fast, engine]],
];

for (const [where, choose] of groups) {
  testOnStores(
    `of 20 simultaneous uses ${where} without a retry window one succeeds, and the session ends`,
    async (t, store) => {
      const pair = await openPair(t, store);
      const { session } = await openFamily(pair, 0);
      const answers = await useAtOnce(choose(pair), session);
      const successor = mintRefreshToken(keyring, session, 1);
      t.deepEqual(tally(answers), {
        [`200 ${successor}`]: 1,
        '400 token_reused': 1,
        '400 session_ended': 18,
      });
      await assertDead(t, pair, session, 'reuse_detected');
    },
  );

  testOnStores(
    `20 simultaneous uses ${where} within the retry window all get the same successor`,
    async (t, store) => {
      const pair = await openPair(t, store);
      const { session } = await openFamily(pair, 60);
      const answers = await useAtOnce(choose(pair), session);
      t.deepEqual(tally(answers), { [`200 ${mintRefreshToken(keyring, session, 1)}`]: 20 });
      const row: Session = await rowOf(pair.deps.db('sessions').where({ id: session.id }).first());
      t.deepEqual([row.generation, row.ended_at], [1, null]);
      await pair.deps.audit.flush();
      t.deepEqual(await eventsOf(pair, session), {
        session_opened: 1,
        refresh_token_rotated: 1,
        refresh_token_retried: 19,
      });
      const rotations = await listRotations(pair.deps.db, session.id);
      t.deepEqual(
        rotations.map(({ generation }) => generation),
        [1],
      );
    },
  );

  testOnStores(`after a ban during refreshes ${where} no session and no token is valid`, async (t, store) => {
    const pair = await openPair(t, store);
    const families = await Promise.all(Array.from({ length: 6 }, () => openFamily(pair, 60)));
    const { db } = pair.deps;
    const rounds = families.map(async ({ user, session }, i) => {
      const early = useAtOnce(choose(pair), session, i);
      await changeUserStatus(db, user.id, { status: 'banned', actor: 'system' });
      const late = await useAtOnce(choose(pair), session, 4);
      return { early: await early, late, session };
    });
    for (const { early, late, session } of await Promise.all(rounds)) {
      t.deepEqual(tally(late), { '400 account_banned': 4 });
      for (const { status } of early) t.true(status === 200 || status === 400, String(status));
      for (const generation of [0, 1, 2]) {
        const token = mintRefreshToken(keyring, session, generation);
        t.is((await use(pair.fast, session, token)).status, 400);
      }
      await assertDead(t, pair, session, 'user_banned');
    }
  });
}

async function assertDead(t: ExecutionContext, { deps, fast }: Pair, session: Session, reason: EndedReason) {
  const row: Session = await rowOf(deps.db('sessions').where({ id: session.id }).first());
  t.true(row.ended_at instanceof Date);
  t.is(row.ended_reason, reason);
  t.is((await use(fast, session, mintRefreshToken(keyring, session, row.generation))).status, 400);
}

async function eventsOf({ deps: { db } }: Pair, { id }: Session): Promise<Record<string, number>> {
  const events: { type: string }[] = await db('audit_events').where({ session_id: id }).select('type');
  const counts: Record<string, number> = {};
  for (const { type } of events) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

testOnStores(
  'both entrances refuse too many rotations with the same answer and count no retry',
  async (t, store) => {
    const pair = await openPair(t, store, {
      RATE_LIMITS: store.name === 'sqlite' ? 'memory' : 'database',
      RATE_LIMIT_REFRESH: '3/600',
    });
    const [one, other] = [await openFamily(pair, 600), await openFamily(pair, 600)];
    // The generation that each step presents: three rotations with retries, and a fourth rotation, which is refused.
    const steps = [0, 0, 1, 1, 2, 2, 2, 3, 3, 2];
    const answer = async (app: App, twin: Twin) => {
      const answers: Answer[] = [];
      for (const generation of steps) {
        answers.push(await use(app, twin.session, mintRefreshToken(keyring, twin.session, generation)));
      }
      return answers;
    };
    const [answers, expected] = [await answer(pair.fast, one), await answer(pair.engine, other)];
    t.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200, 200, 200, 429, 429, 200],
    );
    // Each twin has its own client, whose id is in its tokens.
    const like = async (answers: Answer[], twin: Twin) => {
      const all = await Promise.all(answers.map((given) => comparableAnswer(pair.deps, given, twin)));
      return JSON.parse(JSON.stringify(all).replaceAll(twin.session.client_id, 'own client'));
    };
    t.deepEqual(await like(answers, one), await like(expected, other));
    const waits = [answers, expected].map((all) =>
      all.map(({ headers }) => Number(headers['retry-after'] ?? 0)),
    );
    for (const [i, wait] of (waits[0] ?? []).entries()) t.true(Math.abs(wait - (waits[1]?.[i] ?? 0)) <= 120);
  },
);

testOnStores(
  'a refresh by another client does not use up the limit of the session, not even while it is decided',
  async (t, store) => {
    const pair = await openPair(t, store, { RATE_LIMITS: 'memory', RATE_LIMIT_REFRESH: '1/600' });
    const { db, limits } = pair.deps;
    const { session } = await openFamily(pair, 600);
    const { client_id } = await makeClient(db);
    const token = mintRefreshToken(keyring, session, 0);
    // Held until the counters have been read: the attempt is counted only while it is being decided.
    const holding = await db.transaction();
    t.teardown(() => holding.isCompleted() || holding.rollback());
    await holding.raw('lock table sessions in access exclusive mode');
    const answer = use(pair.fast, { ...session, client_id }, token);
    await until(async () => (await limits.refresh.left(session.id, client_id)) === 0);
    t.is(await limits.refresh.left(session.id, session.client_id), 1);
    await holding.commit();
    const foreign = await answer;
    t.is(foreign.body.error, 'invalid_grant');
    t.is((await use(pair.fast, session, token)).status, 200);
  },
  ['postgres'],
);
