// The cookies of our pages: their names, attributes and signatures; and forms from other sites or other browsers.
import { createHmac } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { createKeyring } from '../../../src/lib/crypto.ts';
import { makeUser, password, secret } from '../../helpers/builders.ts';
import { logIn, setUpScene, startRequest } from '../../helpers/code_flow.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { formOf, openUserAgent, textOf, type UserAgent } from '../../helpers/user_agent.ts';

type Headers = Record<string, string>;

/** The headers of a form that another site sent: from current and old browsers, also with a hidden origin. */
const foreign: Headers[] = [
  { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  { origin: 'null', 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
];

/** Sends a form with these headers; its fields and cookies are those of our own page. */
async function sendWith(ua: UserAgent, action: string, fields: Headers, headers: Headers) {
  return await ua.send(action, { method: 'POST', body: new URLSearchParams(fields), headers });
}

testOnServers(
  'a form from another site is refused, even if that site hides its origin',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    const { ua, user } = scene;
    const login = await ua.open(`${server.url}/account`);
    const interaction = await ua.open((await startRequest(scene)).url.href);
    const device = await ua.open(`${server.url}/device`);
    const credentials = { username: user.username, password };
    const forms = [
      formOf(login, '/account/login'),
      formOf(interaction, '/login'),
      formOf(interaction, '/cancel'),
      formOf(device, '/device'),
      { action: `${server.url}/logout/confirm`, fields: { logout: 'yes' } },
      { action: `${server.url}/ACCOUNT/login`, fields: formOf(login, '/account/login').fields },
    ];
    for (const { action, fields } of forms) {
      for (const headers of foreign) {
        const answer = await sendWith(ua, action, { ...fields, ...credentials }, headers);
        const message = `${action} ${JSON.stringify(headers)}`;
        t.deepEqual(
          [answer.status, answer.location, answer.headers.getSetCookie()],
          [403, null, []],
          message,
        );
        t.regex(textOf(answer), /This form came from another site/, message);
      }
    }
    const own: Headers[] = [
      {},
      { origin: server.issuer },
      { origin: server.issuer, 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
    ];
    for (const headers of own) {
      const page = await openUserAgent(server.url).open(`${server.url}/account`);
      const mine = openUserAgent(server.url);
      const { action, fields } = formOf(await mine.open(page.url), '/account/login');
      const answer = await sendWith(mine, action, { ...fields, ...credentials }, headers);
      t.is(answer.location, `${server.url}/account`, JSON.stringify(headers));
    }
  },
);

testOnServers('a login form works only in the browser that it was shown in', async (t, server) => {
  const user = await makeUser(server.db);
  const credentials = { username: user.username, password };
  const [mine, other] = [openUserAgent(server.url), openUserAgent(server.url)];
  const page = await mine.open(`${server.url}/account`);
  const form = formOf(page, '/account/login');
  t.not(form.fields.csrf, formOf(await other.open(page.url), '/account/login').fields.csrf);
  for (const ua of [other, openUserAgent(server.url)]) {
    const answer = await sendWith(ua, form.action, { ...form.fields, ...credentials }, {});
    t.deepEqual([answer.status, answer.location], [403, null]);
  }
  t.is((await mine.post(page, '/account/login', credentials)).location, `${server.url}/account`);
});

type Settings = Record<string, string>;

/** Issuers, and the name and path of the session cookie at each. */
const issuers: [string, Settings, RegExp][] = [
  [
    'an https issuer',
    { ISSUER: 'https://login.example.test' },
    /^__Host-kindred_session=[\w-]+; path=\/; expires=[^;]+; samesite=lax; secure; httponly$/,
  ],
  [
    'an https issuer with a path',
    { ISSUER: 'https://login.example.test/auth' },
    /^__Secure-kindred_session=[\w-]+; path=\/auth; expires=[^;]+; samesite=lax; secure; httponly$/,
  ],
  ['plain http', {}, /^kindred_session=[\w-]+; path=\/; expires=[^;]+; samesite=lax; httponly$/],
];

async function signInAtAccount(t: ExecutionContext, server: TestServer) {
  const ua = openUserAgent(server.url);
  const user = await makeUser(server.db);
  const login = await ua.send(`${server.url}/account`);
  const { fields } = formOf(login, '/account/login');
  // Where the issuer has a path, the form's action includes it; a proxy would remove it, but there is none here.
  for (const cookie of ua.cookies.values()) ua.cookies.set(`${cookie.name};/`, { ...cookie, path: '/' });
  const answer = await sendWith(
    ua,
    `${server.url}/account/login`,
    { ...fields, username: user.username, password },
    {},
  );
  t.is(answer.status, 303);
  return { ua, user, lines: [login, answer].flatMap((page) => page.headers.getSetCookie()) };
}

for (const [what, settings, expected] of issuers) {
  // A proxy that sends no scheme, or the wrong one, makes no difference.
  for (const proxied of [{}, { TRUST_PROXY: '1' }] as Settings[]) {
    testOnOwnServers(
      `with ${what} the session cookie is bound to it ${Object.keys(proxied).length > 0 ? 'behind a proxy' : 'without a proxy'}`,
      { ...settings, ...proxied },
      async (t, server) => {
        const { lines } = await signInAtAccount(t, server);
        t.regex(lines.find((line) => /kindred_session=/.test(line)) ?? '', expected);
        const isSecure = server.issuer.startsWith('https:');
        for (const line of lines) t.is(/; secure/.test(line), isSecure, line);
        for (const line of lines) t.regex(line, /; samesite=lax; (secure; )?httponly$/, line);
      },
    );
  }
}

testOnOwnServers(
  'behind https every cookie of a login is Secure, HttpOnly and SameSite=Lax',
  { ISSUER: 'https://login.example.test' },
  async (t, server) => {
    const { ua } = await signInAtAccount(t, server);
    const pages = [await ua.send(`${server.url}/logout`), await ua.send(`${server.url}/device`)];
    const lines = pages.flatMap((page) => page.headers.getSetCookie());
    t.true(lines.length >= 2);
    for (const line of lines) t.regex(line, /; samesite=lax; secure; httponly(; expires=[^;]*)?$/i, line);
  },
);

/** The cookie as the previous version signed it: with SHA-1, under the old name. */
function signAsBefore(value: string): Headers {
  const key = createKeyring([secret]).current.keyFor('cookies').export().toString('base64url');
  const signature = createHmac('sha1', key).update(`kindred_session=${value}`).digest('base64url');
  return { kindred_session: value, 'kindred_session.sig': signature };
}

testOnOwnServers(
  "a browser with the session cookie's old name stays signed in and can sign out",
  { ISSUER: 'https://login.example.test' },
  async (t, server) => {
    const { ua, user } = await signInAtAccount(t, server);
    const value = ua.cookies.get('__Host-kindred_session;/')?.value ?? '';
    const before = openUserAgent(server.url);
    const keep = (cookies: Headers) => {
      for (const [name, text] of Object.entries(cookies))
        before.cookies.set(`${name};/`, { name, value: text, path: '/' });
    };
    const old = signAsBefore(value);
    keep({ ...old, 'kindred_session.sig': 'x'.repeat(27) });
    t.notRegex(
      textOf(await before.send(`${server.url}/account`)),
      /Your account/,
      'a forged one is not taken',
    );
    keep(old);
    const account = await before.send(`${server.url}/account`);
    t.regex(textOf(account), new RegExp(`Signed in as ${user.username}`));
    const { fields } = formOf(account, '/account/logout');
    const answer = await sendWith(before, `${server.url}/account/logout`, fields, {});
    t.regex(textOf(answer), /You are signed out/);
    t.deepEqual(
      [...before.cookies.keys()].filter((name) => /kindred_session/.test(name)),
      [],
    );
    keep(old);
    t.regex(textOf(await before.send(`${server.url}/account`)), /Sign in/, 'the old cookie is void');
  },
);

testOnOwnServers(
  'a browser stays signed in while nodes of both versions answer it in turn',
  { ISSUER: 'https://login.example.test' },
  async (t, server) => {
    const { ua, user } = await signInAtAccount(t, server);
    const session = ua.cookies.get('__Host-kindred_session;/')?.value ?? '';
    const copied = { ...signAsBefore(session) };
    for (const [name, value] of Object.entries(copied)) t.is(ua.cookies.get(`${name};/`)?.value, value, name);
    const stranger = await signInAtAccount(t, server);
    const theirs = stranger.ua.cookies.get('kindred_session;/')?.value ?? '';
    const isMe = async () =>
      new RegExp(`Signed in as ${user.username} `).test(textOf(await ua.send(`${server.url}/account`)));
    const put = (name: string, value: string) => ua.cookies.set(`${name};/`, { name, value, path: '/' });
    for (const [name, value] of Object.entries(signAsBefore(theirs))) put(name, value);
    t.true(await isMe(), 'a cookie of the old name that another site has planted changes nothing');
    for (const [name, value] of Object.entries(copied)) put(name, value);
    // As after a node of the previous version has changed the session id and set the cookie of the old name.
    put('__Host-kindred_session', 'gone');
    const key = createKeyring([secret]).current.keyFor('cookies').export().toString('base64url');
    const signature = createHmac('sha256', key).update('__Host-kindred_session=gone').digest('base64url');
    put('__Host-kindred_session.sig', signature);
    t.true(await isMe());
  },
);

testOnServers(
  'cookies that the previous version signed are accepted, and it can read ours',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    await logIn(scene);
    const session = scene.ua.cookies.get('kindred_session;/')?.value ?? '';
    const mine = scene.ua.cookies.get('kindred_session.sig;/')?.value;
    t.is(mine, signAsBefore(session)['kindred_session.sig']);
  },
);
