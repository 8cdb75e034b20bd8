// No order of attempts reveals whether a name has a user, or which names belong to one user. The same long sequence runs
// against several names, step by step, while the owners log in in between, and every answer is compared.
import { makeClient, makeUser } from '../helpers/builders.ts';
import type { Answer, Form } from '../helpers/client.ts';
import { type ClientAuth, login, tokensOf } from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers } from '../helpers/server.ts';
import { openUserAgent, textOf, type UserAgent } from '../helpers/user_agent.ts';

interface Subject {
  title: string;
  /** The name that the attacker types. */
  name: string;
  /** The username of the owner, who logs in in between; null where there is none. */
  owner: string | null;
  /** Each subject is attacked from networks of its own, so that it does not use up the budget of another. */
  network: number;
  browsers: Map<number, UserAgent>;
}

interface Attempt {
  /** The number of the attacker's network. */
  from: number;
  form?: Form;
  /** At the account page, in a browser that the attacker keeps. */
  atPage?: boolean;
}

type Step = Attempt | 'owner' | 'owner on a known device';

const openid = { scope: 'openid' };
const guess = (from: number, form: Form = {}): Attempt => ({ from, form });
const typed = (from: number): Attempt => ({ from, atPage: true });

// The sequence reaches every limit: 3 for network and name, 6 for a name, 9 for a network.
const settings = {
  TRUST_PROXY: '1',
  RATE_LIMIT_PASSWORD: '3/3000',
  RATE_LIMIT_LOGIN_ADDRESS: '9/30000',
  LOCKOUT: '6/3000/9000',
};

const sequence: Step[] = [
  guess(1),
  guess(1, openid),
  'owner',
  guess(1, { device_id: 'laptop' }),
  guess(1, { device_id: 'laptop', device_secret: 'x'.repeat(22) }),
  'owner on a known device',
  guess(1),
  guess(2, { device_id: 'laptop', device_secret: 'y'.repeat(22) }),
  'owner',
  typed(2),
  typed(2),
  guess(2, { device_id: 'phone' }),
  guess(3),
  guess(3, { ...openid, device_id: 'laptop' }),
  'owner on a known device',
  guess(4, { device_id: 'laptop' }),
  guess(4, { device_id: 'unknown', device_secret: 'z'.repeat(22) }),
  typed(4),
  'owner',
  guess(5),
  guess(5, openid),
  typed(5),
];

const settingsOf = (store: string) => ({
  RATE_LIMITS: store === 'sqlite' ? 'memory' : 'database',
  ...settings,
});

testOnOwnServers(
  'a long sequence of attempts gets the same answers for every name, taken or not',
  settingsOf,
  async (t, server) => {
    const client = await makeClient(server.db);
    const subjects = await makeSubjects(server);
    const [first, ...others] = subjects;
    if (!first) throw new Error('no subjects');
    const told: string[] = [];
    const secrets = new Map<string, string>();
    for (const [i, step] of sequence.entries()) {
      if (typeof step === 'string') {
        for (const one of subjects) await ownerLogsIn(server, client, one, step, secrets);
        continue;
      }
      const expected = await attempt(server, client, first, step);
      told.push(String((expected as [number])[0]));
      for (const one of others) {
        t.deepEqual(await attempt(server, client, one, step), expected, `step ${i}: ${one.title}`);
      }
    }
    t.deepEqual([...new Set(told)].toSorted(), ['400', '403', '429'], told.join(' '));
  },
);

async function makeSubjects(server: TestServer): Promise<Subject[]> {
  const { db } = server;
  const one = await makeUser(db, { email: 'one@existence.example' });
  const two = await makeUser(db, { email: 'two@existence.example' });
  const banned = await makeUser(db);
  await db('users').where({ id: banned.id }).update({ status: 'banned' });
  const without = await makeUser(db, { password_hash: null });
  const subjects: [string, string, string | null][] = [
    ['nobody', 'nobody', null],
    ['unknown address', 'nobody@existence.example', null],
    ['a user', one.username, one.username],
    ['the same user, by the address', one.email ?? '', null],
    ['a user who logs in by the address', two.email ?? '', two.email],
    ['a banned user', banned.username, null],
    ['a user without a password', without.username, null],
    ['a name that no user can have', 'x'.repeat(300), null],
  ];
  return subjects.map(([title, name, owner], network) => ({
    title,
    name,
    owner,
    network,
    browsers: new Map(),
  }));
}

async function ownerLogsIn(
  server: TestServer,
  client: ClientAuth,
  { owner, network }: Subject,
  step: Step,
  secrets: Map<string, string>,
): Promise<void> {
  if (owner === null) return;
  const headers = { 'X-Forwarded-For': `192.0.2.${network}` };
  const device_secret = secrets.get(owner);
  const device = { device_id: 'laptop', ...(device_secret ? { device_secret } : {}) };
  const form = step === 'owner' ? {} : device;
  // When strangers have locked out the name, the owner on an unknown device has to wait too.
  const answer = await login(server, { username: owner }, client, form, { headers });
  if (step === 'owner') return;
  secrets.set(owner, tokensOf(answer).device_secret ?? '');
}

/** The answer that the attacker sees, with times coarse enough for a slow machine. */
async function attempt(
  server: TestServer,
  client: ClientAuth,
  subject: Subject,
  { from, form = {}, atPage }: Attempt,
): Promise<unknown> {
  const headers = { 'X-Forwarded-For': `10.${subject.network}.0.${from}` };
  if (atPage) return await typeAtPage(server, subject, from, headers);
  const all = { password: 'a guess', ...form };
  return described(await login(server, { username: subject.name }, client, all, { headers }));
}

function described({ status, headers, body }: Answer): unknown {
  const { 'retry-after': wait } = headers;
  return [status, { ...body, request_id: null }, wait === undefined ? null : coarse(wait)];
}

const coarse = (seconds: string) => Math.ceil(Number(seconds) / 3_000);

async function typeAtPage(
  server: TestServer,
  { name, browsers }: Subject,
  from: number,
  headers: Record<string, string>,
): Promise<unknown> {
  const ua = browsers.get(from) ?? openUserAgent(server.url, headers);
  browsers.set(from, ua);
  const page = await ua.open(`${server.url}/account`);
  const answer = await ua.submit(page, '/account/login', { username: name, password: 'a guess' });
  const names = [...ua.cookies.values()].map((one) => one.name);
  return [
    answer.status,
    textOf(answer).replaceAll(/\d+/g, 'some'),
    names.filter((one) => /device/.test(one)),
  ];
}
