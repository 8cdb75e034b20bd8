// Apps on phones: each has one session and refreshes from time to time. Without a good answer it retries with the same token
// on another node. All requests and answers are recorded; app_history.ts checks them.
import { setMaxListeners } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/core/clients/clients.ts';
import { decodeRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { copySession } from './background_load.ts';
import { makeUser } from './builders.ts';
import type { Fleet, FleetNode } from './fleet.ts';
import { signIn } from './oauth.ts';

/** One request and its outcome. Times are milliseconds of the test's clock. */
export interface Attempt {
  session_id: string;
  node: string;
  /** The generation of the presented token. */
  presented: number;
  begun: number;
  ended: number;
  /** The status of the answer; null when none came. */
  status: number | null;
  /** The token of a 200, and its generation. */
  token: string | null;
  answered: number | null;
  error: string | null;
  reason: string | null;
  retry_after: string | null;
}

export interface App {
  session_id: string;
  user_id: string;
  username: string;
  client: Client;
  refresh_token: string;
  access_token: string | null;
  /** The reason of the final refusal; null while the app refreshes. */
  over: string | null;
}

export interface Apps {
  all: App[];
  history: Attempt[];
  /** Requests in flight. */
  inFlight: (node: FleetNode) => number;
  /** Resolves after that many further refreshes with a 200. */
  reach: (more: number) => Promise<void>;
  /** Waits until every app has a good answer, and stops them. */
  settle: () => Promise<void>;
  /** Stops all apps at once. */
  abandon: () => void;
}

/** Opens `count` sessions of `client`, ten per user. */
export async function makeApps(fleet: Fleet, client: Client, count: number): Promise<App[]> {
  const [node] = fleet.nodes;
  if (!node) throw new Error('the fleet is empty');
  const server = fleet.at(node);
  const first = await signIn(server, { client, form: { scope: 'openid account' } });
  const apps: App[] = [];
  let user = first.user;
  for (let i = 0; i < count; i += 1) {
    if (i % 10 === 0) user = await makeUser(server.db);
    const refresh_token = await copySession(server, first, user);
    const session_id = decodeRefreshToken(refresh_token)?.session_id ?? '';
    const whose = { user_id: user.id, username: user.username };
    apps.push({ ...whose, client, session_id, refresh_token, access_token: null, over: null });
  }
  return apps;
}

/** Milliseconds after which an app gives up on an answer; one more try still fits into the retry window. */
const patience = 30_000;

/** Starts the apps; each refreshes about every `pause` milliseconds. */
export function startApps(fleet: Fleet, all: App[], pause: number): Apps {
  const history: Attempt[] = [];
  const flying = new Map<FleetNode, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  // Ends early when the apps are stopped: no caller waits for an app in its pause.
  const rest = (ms: number) => sleep(ms, undefined, { signal: over.signal }).catch(() => {});
  let isAbandoned = false;
  let good = 0;
  const ask = async (app: App, node: FleetNode) => {
    flying.set(node, (flying.get(node) ?? 0) + 1);
    const attempt = await refreshAt(agent, node, app);
    flying.set(node, (flying.get(node) ?? 1) - 1);
    history.push(attempt);
    return attempt;
  };
  const live = async (app: App) => {
    await rest(pause * Math.random());
    while (!over.signal.aborted && app.over === null) {
      const first = Math.floor(Math.random() * fleet.nodes.length);
      for (let tries = 0; ; tries += 1) {
        const attempt = await ask(app, pick(fleet, first + tries));
        if (isAnswered(app, attempt)) break;
        if (isAbandoned) return;
        await sleep(waitAfter(attempt, tries));
      }
      good += 1;
      await rest(pause * (0.5 + Math.random()));
    }
  };
  const living = all.map(live);
  return {
    all,
    history,
    inFlight: (node) => flying.get(node) ?? 0,
    async reach(more) {
      const enough = good + more;
      while (good < enough && all.some((app) => app.over === null)) await sleep(20);
    },
    async settle() {
      over.abort();
      await Promise.all(living);
      agent.destroy();
    },
    abandon() {
      over.abort();
      isAbandoned = true;
    },
  };
}

// False: retry. A refusal is an answer and ends the app.
function isAnswered(app: App, { status, token, reason, error }: Attempt): boolean {
  if (status === null || status >= 500) return false;
  if (token) app.refresh_token = token;
  else app.over = reason ?? error ?? String(status);
  return true;
}

// The pause doubles with every try and is at least the server's Retry-After, with jitter so that apps do not retry together.
function waitAfter({ retry_after }: Attempt, tries: number): number {
  const least = 1_000 * Number(retry_after ?? 0);
  return Math.max(least, Math.min(8_000, 200 * 2 ** tries)) * (1 + Math.random());
}

function pick({ nodes }: Fleet, i: number): FleetNode {
  return nodes[i % nodes.length] as FleetNode;
}

async function refreshAt(agent: Agent, node: FleetNode, app: App): Promise<Attempt> {
  const { session_id, refresh_token, client } = app;
  const attempt: Attempt = {
    session_id,
    node: node.name,
    presented: decodeRefreshToken(refresh_token)?.generation ?? -1,
    begun: performance.now(),
    ended: 0,
    status: null,
    token: null,
    answered: null,
    error: null,
    reason: null,
    retry_after: null,
  };
  const form = { grant_type: 'refresh_token', client_id: client.client_id, refresh_token };
  try {
    const { status, retryAfter, body } = await post(agent, `${node.url}/token`, form);
    const { refresh_token: token = null, access_token = null, error = null, reason = null } = body;
    if (access_token) app.access_token = access_token;
    const answered = token === null ? null : (decodeRefreshToken(token)?.generation ?? null);
    Object.assign(attempt, { status, token, answered, error, reason, retry_after: retryAfter });
  } catch (error) {
    attempt.error = (error as { code?: string }).code ?? String(error);
  }
  attempt.ended = performance.now();
  return attempt;
}

type Said = Partial<Record<'refresh_token' | 'access_token' | 'error' | 'reason', string>>;

/** Posts a form on a kept-alive connection. Throws when no complete answer comes. */
function post(
  agent: Agent,
  url: string,
  form: Record<string, string>,
): Promise<{ status: number; retryAfter: string | null; body: Said }> {
  const body = Buffer.from(new URLSearchParams(form).toString());
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(patience);
    const outgoing = request(url, { method: 'POST', headers, agent, signal });
    outgoing.once('error', reject).once('response', (response) => {
      const retryAfter = response.headers['retry-after'] ?? null;
      text(response)
        .then((said) => resolve({ status: response.statusCode ?? 0, retryAfter, body: parse(said) }))
        .catch(reject);
    });
    outgoing.end(body);
  });
}

function parse(said: string): Said {
  return said === '' ? {} : JSON.parse(said);
}
