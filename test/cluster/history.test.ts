// Refreshes, logins, reuse, logouts, bans, password changes, deletions, key rotations and the sweep, concurrently on three
// nodes. All requests and answers are recorded and checked against the model in helpers/history.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Client } from '../../src/core/clients/clients.ts';
import { sweep } from '../../src/core/operations/sweep.ts';
import { decodeRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { type Admin, enterAsAdmin, post } from '../helpers/admin.ts';
import { after, makeClient, makeUser, type NamedUser, password } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { type Ending, type Entry, findContradictions, type Refresh, type Span } from '../helpers/history.ts';
import { api, authOf, login, refresh, type Tokens, tokensOf } from '../helpers/oauth.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { gateway, registerGateway, runServerProcess, type TestServer } from '../helpers/server.ts';
import { makeStore } from '../helpers/stores.ts';
import { type Browser, logInOnWeb, openBrowser, signOutOnWeb } from '../helpers/web_user.ts';

const duration = process.env.SOAK ? 240_000 : 15_000;
/** A busy machine gets more time, until there are enough requests to check. */
const enough = 600;
const longest = duration + 180_000;
const people = 6;
const kinds = ['login', 'refresh', 'introspection', 'ending', 'unbarring'] as const;
/** Lifetime of access tokens in seconds. */
const lifetime = 4;
const day = 86_400;

/** A user who logs in repeatedly; a deleted one is replaced by a new user. */
interface TestUser {
  user: NamedUser;
  password: string;
}

interface World {
  nodes: TestServer[];
  clients: { strict: Client; lenient: Client; web: Client };
  admin: Admin;
  chance: Random;
  entries: Entry[];
  /** Each session's retry window in milliseconds. */
  windows: Map<string, number>;
  surprises: string[];
  isOver: () => boolean;
}

/** Sends a request to a node and records the time; an unexpected answer is recorded as a surprise. */
async function timed(
  world: World,
  expected: number[],
  ask: (node: TestServer) => Promise<Answer>,
): Promise<Span & { answer: Answer }> {
  const node = world.chance.pick(world.nodes);
  const begin = performance.now();
  const answer = await ask(node);
  const end = performance.now();
  if (!expected.includes(answer.status)) world.surprises.push(`${answer.status}: ${answer.text}`);
  return { begin, end, answer };
}

/** An access token with the times of its request and its answer. */
interface Issued {
  token: string;
  issued: Span;
}

/** A session on its device. */
interface Phone {
  session: string;
  client: Client;
  tokens: Tokens;
  old: string[];
  issued: Issued[];
}

async function open(world: World, person: TestUser): Promise<Phone | null> {
  const { user } = person;
  const kind = world.chance.below(4) === 0 ? 'strict' : 'lenient';
  const client = world.clients[kind];
  const secret = { password: person.password };
  const { answer, ...span } = await timed(world, [200, 400], (node) => login(node, user, client, secret));
  if (answer.status !== 200) return null;
  const tokens = tokensOf(answer);
  world.windows.set(tokens.session_id, kind === 'strict' ? 0 : 60_000);
  world.entries.push({ kind: 'login', user: user.id, session: tokens.session_id, ...span });
  const issued = [{ token: tokens.access_token, issued: span }];
  return { session: tokens.session_id, client, tokens, old: [], issued };
}

/** False when the session has ended. */
async function rotate(world: World, phone: Phone, value = phone.tokens.refresh_token): Promise<boolean> {
  const { answer, ...span } = await timed(world, [200, 400], (node) => refresh(node, phone.client, value));
  const presented = decodeRefreshToken(value)?.generation ?? Number.NaN;
  const entry: Refresh = { kind: 'refresh', session: phone.session, presented, outcome: 'refused', ...span };
  world.entries.push(entry);
  if (answer.status !== 200) {
    if (answer.body.reason === 'token_reused') entry.outcome = 'reused';
    if (answer.body.error !== 'invalid_grant') world.surprises.push(answer.text);
    return false;
  }
  const tokens = tokensOf(answer);
  const generation = decodeRefreshToken(tokens.refresh_token)?.generation ?? Number.NaN;
  Object.assign(entry, { outcome: 'ok', generation, token: tokens.refresh_token });
  if (tokens.session_id !== phone.session) world.surprises.push('the session has another id');
  phone.issued.push({ token: tokens.access_token, issued: span });
  if (generation > (decodeRefreshToken(phone.tokens.refresh_token)?.generation ?? 0)) {
    phone.old.push(phone.tokens.refresh_token);
    phone.tokens = tokens;
  }
  return true;
}

async function look(world: World, phone: Phone): Promise<void> {
  const { token, issued } = world.chance.pick(phone.issued.slice(-12));
  const form = { ...authOf(gateway), token };
  const { answer, ...span } = await timed(world, [200], (node) => send(`${node.url}/introspect`, { form }));
  const outcome = answer.body.active === true ? 'active' : 'inactive';
  world.entries.push({ kind: 'introspection', session: phone.session, outcome, issued, ...span });
}

/** Requests an ending and records it; a refused one is not recorded. */
async function end(
  world: World,
  what: Partial<Ending>,
  expected: number[],
  ask: (node: TestServer) => Promise<Answer>,
): Promise<boolean> {
  const { answer, ...span } = await timed(world, expected, ask);
  const isDone = answer.status < 300;
  if (isDone) world.entries.push({ kind: 'ending', outcome: 'ok', ...what, ...span });
  return isDone;
}

/** Uses one session as an app does, until it has ended. */
async function live(world: World, phone: Phone): Promise<void> {
  const { chance } = world;
  while (!world.isOver()) {
    const dice = chance.below(100);
    if (dice < 45) {
      if (!(await rotate(world, phone))) return;
    } else if (dice < 55) {
      const both = await Promise.all([rotate(world, phone), rotate(world, phone)]);
      if (both.includes(false)) return;
    } else if (dice < 58 && phone.old.length > 1) {
      await rotate(world, phone, chance.pick(phone.old.slice(0, -1)));
    } else if (dice < 60) {
      const { session, tokens } = phone;
      // A token that has just expired cannot log out.
      await end(world, { session }, [200, 401], (node) => api(node, 'POST /logout', tokens.access_token));
    } else {
      await look(world, phone);
    }
    await sleep(chance.below(15));
  }
}

async function inhabit(world: World, person: TestUser): Promise<void> {
  while (!world.isOver()) {
    const phone = await open(world, person);
    if (phone) {
      await live(world, phone);
      // An ended session stays ended.
      await rotate(world, phone);
      await look(world, phone);
    }
    await sleep(world.chance.below(50));
  }
}

const redirect_uri = 'https://app.example/cb';

/** One login in a browser, silent unless a user types. */
async function openOnWeb(world: World, person: TestUser, browser: Browser, types: boolean): Promise<void> {
  const client = world.clients.web;
  const { user } = person;
  const given = types ? { username: user.username, password: person.password } : null;
  const begin = performance.now();
  const node = world.chance.pick(world.nodes);
  const asked = { client_id: client.client_id, redirect_uri };
  const { answer, isConsented } = await logInOnWeb(node, browser, asked, given);
  const span = { begin, end: performance.now() };
  if (isConsented)
    world.entries.push({ kind: 'unbarring', user: user.id, client: client.client_id, ...span });
  if (answer?.status !== 200) return;
  const tokens = tokensOf(answer);
  const where = { client: client.client_id, browser: browser.name };
  world.windows.set(tokens.session_id, 60_000);
  world.entries.push({ kind: 'login', user: user.id, session: tokens.session_id, ...where, ...span });
  const issued = [{ token: tokens.access_token, issued: span }];
  const phone = { session: tokens.session_id, client, tokens, old: [], issued };
  for (let use = 0; use < 3; use += 1) {
    await look(world, phone);
    if (!(await rotate(world, phone))) return;
  }
}

/** Signs in and asks for codes without a pause, and meanwhile withdraws the consent or signs out. */
async function browse(world: World, person: TestUser, first: number): Promise<void> {
  const { chance, clients } = world;
  const user = { user: person.user.id };
  const withdraw = async () => {
    const phone = await open(world, person);
    const what = { ...user, client: clients.web.client_id, bars: true };
    const token = phone?.tokens.access_token ?? '';
    await end(world, what, [204, 401, 404], (node) =>
      api(node, `DELETE /consents/${clients.web.client_id}`, token),
    );
  };
  const signOut = async (browser: Browser) => {
    const begin = performance.now();
    const isDone = await signOutOnWeb(chance.pick(world.nodes), browser);
    const span = { begin, end: performance.now() };
    if (isDone) {
      const what = { ...user, browser: browser.name, bars: true, outcome: 'ok' } as const;
      world.entries.push({ kind: 'ending', ...what, ...span });
    }
  };
  for (let round = first; round === first || !world.isOver(); round += 1) {
    const browser = openBrowser();
    await openOnWeb(world, person, browser, true);
    const silently = () => openOnWeb(world, person, browser, false);
    const meanwhile = round % 2 === 0 ? withdraw() : signOut(browser);
    await Promise.all([silently(), silently(), meanwhile, silently(), silently()]);
    await Promise.all([silently(), silently()]);
  }
}

/** Bans, password changes, deletions and other endings of users, one after the other. */
async function endUsers(world: World, own: TestUser[]): Promise<void> {
  const { chance, admin } = world;
  const [home] = world.nodes as [TestServer];
  const endings = [ban, ban, disable, forceLogout, changePassword, logOutEverywhere, remove];
  const reason = { reason: 'a test' };
  const act = (verb: string, user: NamedUser) => (node: TestServer) =>
    post(node, admin, `/users/${user.id}/${verb}`, reason);
  async function bar(person: TestUser, verb: string, lift: string) {
    const { user } = person;
    await end(world, { user: user.id, bars: true }, [200], act(verb, user));
    await sleep(chance.below(400));
    const { answer: _, ...span } = await timed(world, [200], act(lift, user));
    world.entries.push({ kind: 'unbarring', user: user.id, ...span });
  }
  async function ban(person: TestUser) {
    await bar(person, 'ban', 'unban');
  }
  async function disable(person: TestUser) {
    await bar(person, 'disable', 'enable');
  }
  async function forceLogout({ user }: TestUser) {
    await end(world, { user: user.id }, [200], act('force-logout', user));
  }
  async function remove(person: TestUser) {
    const { user } = person;
    await end(world, { user: user.id, bars: true }, [200], act('delete', user));
    Object.assign(person, { user: await makeUser(home.db), password });
  }
  async function changePassword(person: TestUser) {
    const phone = await open(world, person);
    if (!phone) return;
    const next = `another password for them ${chance.below(1e9)}`;
    const json = { current_password: person.password, new_password: next };
    const what = { user: person.user.id, except: phone.session };
    const done = await end(world, what, [200, 204, 401], (node) =>
      api(node, 'POST /me/password', phone.tokens.access_token, { json }),
    );
    if (done) person.password = next;
    await rotate(world, phone);
    await look(world, phone);
  }
  async function logOutEverywhere(person: TestUser) {
    const phone = await open(world, person);
    if (!phone) return;
    const json = { logout_all: true };
    await end(world, { user: person.user.id }, [200, 401], (node) =>
      api(node, 'POST /logout', phone.tokens.access_token, { json }),
    );
  }
  while (!world.isOver()) {
    await chance.pick(endings)(chance.pick(own));
    await sleep(chance.below(1_500));
  }
}

/** Rotates the signing keys as soon as the next one may sign, and sweeps as if a month had passed. */
async function keepHouse(world: World): Promise<{ rotated: number; swept: number }> {
  const [first] = world.nodes as [TestServer, ...TestServer[]];
  const done = { rotated: 0, swept: 0 };
  while (!world.isOver()) {
    const { answer } = await timed(world, [200, 409], () => post(first, world.admin, '/keys/rotate'));
    if (answer.status === 200) done.rotated += 1;
    // Sessions only: a month later every code and opaque token has expired.
    const options = { auditRetention: 3_650 * day, tables: ['sessions'] } as const;
    const { sessions } = await sweep(first.db, options, after(new Date(), 31 * day));
    done.swept += sessions;
    await sleep(400);
  }
  return done;
}

async function startWorld(t: ExecutionContext): Promise<World> {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const settings = {
    ISSUER: 'https://id.example.test',
    ACCESS_TOKEN_TTL: String(lifetime),
    // Longer than the month by which the sweep's clock is ahead.
    SESSION_IDLE_TTL: String(90 * day),
    SESSION_ABSOLUTE_TTL: String(90 * day),
    SIGNING_KEY_LEAD: '4',
  };
  const running = await Promise.all([1, 2, 3].map(() => runServerProcess(store.url, settings)));
  t.teardown(async () => void (await Promise.all(running.map((one) => one.stop()))));
  const nodes: TestServer[] = [];
  for (const one of running) nodes.push(await registerGateway(store, one));
  const [first] = nodes as [TestServer];
  const chance = createRandom();
  t.log(`seed ${chance.seed}`);
  const clients = {
    strict: await makeClient(store.db),
    lenient: await makeClient(store.db, { refresh_token_retry_window: 60 }),
    web: await makeClient(store.db, {
      first_party: false,
      redirect_uris: [redirect_uri],
      refresh_token_retry_window: 60,
    }),
  };
  const entries: Entry[] = [];
  const begun = performance.now();
  const isOver = () => {
    const elapsed = performance.now() - begun;
    const hasAll = () => kinds.every((kind) => entries.some((one) => one.kind === kind));
    return elapsed > longest || (elapsed > duration && entries.length >= enough && hasAll());
  };
  const admin = await enterAsAdmin(first, { ttl: 3_600 });
  return { nodes, clients, admin, chance, entries, windows: new Map(), surprises: [], isOver };
}

test('the history of three nodes under concurrent requests of every kind has no contradiction', async (t) => {
  t.timeout(longest + 300_000);
  const world = await startWorld(t);
  const [{ db }] = world.nodes as [TestServer];
  const own: TestUser[] = [];
  for (let i = 0; i < people; i += 1) own.push({ user: await makeUser(db), password });
  const guests: TestUser[] = [];
  for (let i = 0; i < 2; i += 1) guests.push({ user: await makeUser(db), password });
  const [house] = await Promise.all([
    keepHouse(world),
    endUsers(world, own.slice(0, people / 2)),
    endUsers(world, own.slice(people / 2)),
    ...own.flatMap((person) => [inhabit(world, person), inhabit(world, person)]),
    ...guests.map((person, i) => browse(world, person, i)),
  ]);
  const { entries, windows, surprises } = world;
  const count = (kind: Entry['kind']) => entries.filter((one) => one.kind === kind).length;
  t.log(kinds.map((kind) => `${count(kind)} × ${kind}`).join(', '));
  t.log(`${house.rotated} keys rotated, ${house.swept} sessions swept`);
  t.deepEqual(surprises, []);
  const window = (session: string) => windows.get(session) ?? Number.NaN;
  t.deepEqual(findContradictions(entries, { window, lifetime: lifetime * 1000 }), []);
  for (const kind of kinds) t.true(count(kind) > 0, kind);
  const bars = entries.filter((one) => one.kind === 'ending' && one.bars);
  for (const what of ['client', 'browser'] as const)
    t.true(
      bars.some((one) => what in one),
      what,
    );
});
