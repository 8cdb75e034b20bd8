// Refreshes and logins of one user from all sides, in the midst of which a test does something to that user.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/core/clients/clients.ts';
import { mintRefreshToken, newSalt } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { json } from '../../src/core/store/columns.ts';
import type { User } from '../../src/core/users/users.ts';
import { newId } from '../../src/lib/ids.ts';
import { keyring, makeClient } from './builders.ts';
import type { Answer } from './client.ts';
import { login, refresh, type SignedIn, signIn } from './oauth.ts';
import type { TestServer } from './server.ts';

export interface Attempt {
  what: 'login' | 'refresh';
  client: Client;
  /** Begun when the storm was already over. */
  isLate: boolean;
  answer: Answer;
}

interface Held {
  client: Client;
  /** A refresh token of a session of its own. */
  value: string;
}

export interface BackgroundLoad {
  /** All that has been answered so far. */
  attempts: Attempt[];
  /** Waits until so many requests have been answered. */
  reach: (count: number) => Promise<void>;
  /** From here on every request is a late one. */
  end: () => void;
  /** One more refresh with each token that the user held when it began, and one more login on each node. */
  tryAgain: () => Promise<void>;
  /** Waits for what is in flight. */
  settle: () => Promise<void>;
}

/**
 * Lets `user` refresh 50 times and log in 20 times, spread over the nodes and over the time that the logins take: 10
 * sessions of a strict client once, 5 of one with a retry window over and over.
 */
export async function startBackgroundLoad(
  nodes: [TestServer, ...TestServer[]],
  user: User,
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
  // Awaited by `settle`; a test that has failed before must not be followed by what these come to.
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

// One login through a client of its own, the rest copied from it: only the first costs the hash of a password.
async function holdSessions(
  server: TestServer,
  user: User,
  { retry, count }: { retry: number; count: number },
): Promise<Held[]> {
  const client = await makeClient(server.db, { refresh_token_retry_window: retry });
  const first = await signIn(server, { user, client });
  const copies = await Promise.all(Array.from({ length: count - 1 }, () => copySession(server, first)));
  return [first.tokens.refresh_token, ...copies].map((value) => ({ client, value }));
}

/** A session like that of `first`, of `user` when given; its refresh token. */
export async function copySession(
  { db }: Pick<TestServer, 'db'>,
  { tokens }: Pick<SignedIn, 'tokens'>,
  user?: Pick<User, 'id'>,
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
