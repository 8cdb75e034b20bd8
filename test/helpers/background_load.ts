// Concurrent refreshes and logins of one user, during which a test acts on that user.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/core/clients/clients.ts';
import { mintRefreshToken, newSalt } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { json } from '../../src/core/store/columns.ts';
import { newId } from '../../src/lib/ids.ts';
import { keyring, makeClient, type NamedUser } from './builders.ts';
import type { Answer } from './client.ts';
import { login, refresh, type SignedIn, signIn } from './oauth.ts';
import type { TestServer } from './server.ts';

export interface Attempt {
  what: 'login' | 'refresh';
  client: Client;
  /** Whether it began after `end`. */
  isLate: boolean;
  answer: Answer;
}

interface Held {
  client: Client;
  /** The refresh token of a session of its own. */
  value: string;
}

export interface BackgroundLoad {
  /** All answered requests so far. */
  attempts: Attempt[];
  /** Waits until that many requests have been answered. */
  reach: (count: number) => Promise<void>;
  /** Marks every later request as late. */
  end: () => void;
  /** Refreshes once more with each token of the start, and logs in once more on each node. */
  tryAgain: () => Promise<void>;
  /** Waits for the requests in flight. */
  settle: () => Promise<void>;
}

/**
 * Starts 50 refreshes and 20 logins of `user`, spread over the nodes and over the duration of the logins: 10 sessions of a
 * strict client refresh once, 5 of a client with a retry window repeatedly.
 */
export async function startBackgroundLoad(
  nodes: [TestServer, ...TestServer[]],
  user: NamedUser,
): Promise<BackgroundLoad> {
  const strict = await holdSessions(nodes[0], user, { retry: 0, count: 10 });
  const lenient = await holdSessions(nodes[0], user, { retry: 60, count: 5 });
  const attempts: Attempt[] = [];
  let isOver = false;
  let begun = 0;
  const send = async (what: Attempt['what'], client: Client, ask: (node: TestServer) => Promise<Answer>) => {
    const isLate = isOver;
    begun += 1;
    const answer = await ask(nodes[begun % nodes.length] ?? nodes[0]);
    attempts.push({ what, client, isLate, answer });
  };
  const use = ({ client, value }: Held) => send('refresh', client, (node) => refresh(node, client, value));
  const enter = (form = {}) => {
    const client = (lenient[0] as Held).client;
    return send('login', client, (node) => login(node, user, client, form));
  };
  const uses = [...strict, ...Array.from({ length: 8 }, () => lenient).flat()];
  const flying = [
    ...uses.map(async (held) => {
      await sleep(Math.random() * 400);
      await use(held);
    }),
    ...Array.from({ length: 20 }, async (_, i) => {
      await sleep(Math.random() * 200);
      await enter({ device_id: `device-${i}`, push_token: `push-${i}` });
    }),
  ];
  // Awaited by `settle`. The handler keeps a test that failed earlier from an unhandled rejection.
  const settled = Promise.all(flying);
  settled.catch(() => {});
  return {
    attempts,
    async reach(count) {
      while (attempts.length < count) await sleep(1);
    },
    end() {
      isOver = true;
    },
    async tryAgain() {
      await Promise.all([...[...strict, ...lenient].map(use), ...nodes.map(() => enter())]);
    },
    async settle() {
      await settled;
    },
  };
}

// One login through a client of its own; the other sessions are copies, since each login costs a password hash.
async function holdSessions(
  server: TestServer,
  user: NamedUser,
  { retry, count }: { retry: number; count: number },
): Promise<Held[]> {
  const client = await makeClient(server.db, { refresh_token_retry_window: retry });
  const first = await signIn(server, { user, client });
  const copies = await Promise.all(Array.from({ length: count - 1 }, () => copySession(server, first)));
  return [first.tokens.refresh_token, ...copies].map((value) => ({ client, value }));
}

/** Copies the session of `first`, for `user` when given; returns the refresh token. */
export async function copySession(
  { db }: Pick<TestServer, 'db'>,
  { tokens }: Pick<SignedIn, 'tokens'>,
  user?: Pick<NamedUser, 'id'>,
): Promise<string> {
  const row = await db<Session>('sessions').where({ id: tokens.session_id }).first();
  if (!row) throw new Error('there is no such session');
  const { grant_payload, token_payload, ...rest } = row;
  const copy = { id: newId(), salt: newSalt(), ...(user ? { user_id: user.id } : {}) };
  const payloads = {
    grant_payload: json(grant_payload),
    token_payload: json({ ...token_payload, sid: copy.id }),
  };
  await db('sessions').insert({ ...rest, ...copy, ...payloads });
  return mintRefreshToken(keyring, copy, 0);
}
