// Apps on phones: each has one session, refreshes now and then, and when no good answer comes asks again, with the same
// token, somewhere else. What they asked and heard is written down (app_history.ts judges it).
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

/** One request and what came of it. Times are milliseconds of one clock, that of the test. */
export interface Attempt {
  session_id: string;
  node: string;
  /** Generation of the token that was presented. */
  presented: number;
  begun: number;
  ended: number;
  /** Of the answer; null when none came. */
  status: number | null;
  /** Of a 200: the token, and its generation. */
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
  /** Set when a refresh was refused for good: its reason. */
  over: string | null;
}

export interface Apps {
  all: App[];
  history: Attempt[];
  /** Requests that a node has not answered yet. */
  inFlight: (node: FleetNode) => number;
  /** Resolves once so many more refreshes have been answered with 200. */
  reach: (more: number) => Promise<void>;
  /** Lets everybody come to a good answer, and to rest. */
  settle: () => Promise<void>;
  /** Everybody stops asking, whatever they have heard. */
  abandon: () => void;
}

/** So many sessions of `client`, those of ten being one user's. */
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

/** Milliseconds. A phone gives up on an answer at some point; one try more still fits into the retry window. */
const patience = 30_000;

/** Lets `all` live; each refreshes about every `pause` milliseconds. */
export function startApps(fleet: Fleet, all: App[], pause: number): Apps {
  const history: Attempt[] = [];
  const flying = new Map<FleetNode, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  // Ends early when all is over: nobody waits for an app that only rests.
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

// False: ask again. A refusal is an answer, and the end.
function isAnswered(app: App, { status, token, reason, error }: Attempt): boolean {
  if (status === null || status >= 500) return false;
  if (token) app.refresh_token = token;
  else app.over = reason ?? error ?? String(status);
  return true;
}

// Twice as long every time, and as long as the server says, but never all at once.
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

/** Posts a form on a connection that is kept. Throws when no whole answer comes. */
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
