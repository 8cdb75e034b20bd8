// Requests at a node of the previous version while its database is migrated. Each answer stands for one event of the trail.
import type { Knex } from 'knex';
import type { NamedUser } from './builders.ts';
import type { Answer } from './client.ts';
import { type ClientAuth, login, refresh, type Tokens, token, tokensOf } from './oauth.ts';
import type { TestServer } from './server.ts';
import { until } from './until.ts';

/** The number of events by type. */
type Counts = Record<string, number>;

export interface TrailLoad {
  user: NamedUser;
  /** The client of `client_credentials`, which has no user. */
  machine: Required<ClientAuth>;
  /** What was answered with 200, as the events that it records. */
  answered: Counts;
  /** What was not. */
  refused: string[];
  /** Waits until each kind of request has been answered that many times more. */
  reach: (count: number) => Promise<void>;
  /** Waits for the requests under way. */
  stop: () => Promise<void>;
}

/** The number of refusals at which the load is no longer waited for. */
const maxRefused = 20;

/** Starts to log in, to refresh and to issue tokens to a machine, one after the other each, until stopped. */
export async function startTrailLoad(
  node: TestServer,
  user: NamedUser,
  app: ClientAuth,
  machine: Required<ClientAuth>,
): Promise<TrailLoad> {
  let tokens = tokensOf(await login(node, user, app));
  const answered: Counts = { session_opened: 1, refresh_token_rotated: 0, client_token_issued: 0 };
  const refused: string[] = [];
  let isOver = false;
  const repeat = async (event: string, ask: () => Promise<Answer>) => {
    while (!isOver) {
      const { status, body, text } = await ask();
      if (status !== 200) refused.push(`${event}: ${status} ${text}`);
      else answered[event] = (answered[event] ?? 0) + 1;
      if (event === 'refresh_token_rotated' && status === 200) tokens = body as unknown as Tokens;
    }
  };
  const running = Promise.all([
    repeat('session_opened', () => login(node, user, app)),
    repeat('refresh_token_rotated', () => refresh(node, app, tokens.refresh_token)),
    repeat('client_token_issued', () => token(node, { grant_type: 'client_credentials', ...machine })),
  ]);
  return {
    user,
    machine,
    answered,
    refused,
    async reach(count) {
      const before = { ...answered };
      const isReached = (event: string) => (answered[event] ?? 0) >= (before[event] ?? 0) + count;
      await until(
        () => refused.length > maxRefused || Object.keys(answered).every(isReached),
        `${count} more of each`,
      );
    },
    async stop() {
      isOver = true;
      await running;
    },
  };
}

/** The events of this load in the trail. */
export async function countTrail(db: Knex, { user, machine, answered }: TrailLoad): Promise<Counts> {
  const found: { type: string; n: number }[] = await db('audit_events')
    .whereIn('type', Object.keys(answered))
    .where((of) => of.where({ user_id: user.id }).orWhere({ client_id: machine.client_id }))
    .groupBy('type')
    .select('type')
    .count({ n: '*' });
  return Object.fromEntries(found.map(({ type, n }) => [type, n]));
}
