// One after the other: each is a process, and together they would time each other out.
import test from 'ava';
import { assertRefusedCommand, kindred, runCommand } from '../helpers/commands.ts';
import { environment } from '../helpers/server.ts';
import { makeStore } from '../helpers/stores.ts';

type Refused = [title: string, args: string[], stdin: string | Buffer, said: RegExp];

const password = 'a phrase that nobody else uses 17';

const aboutUsers: Refused[] = [
  ['an empty password', ['create-user', '--username', 'ok', '--password-stdin'], '\n', /must not be empty/],
  ['no password', ['create-user', '--username', 'ok', '--password-stdin'], '', /must not be empty/],
  [
    'a password of two lines',
    ['create-user', '--username', 'ok', '--password-stdin'],
    'one\ntwo\n',
    /single line/,
  ],
  [
    'a password that is no UTF-8',
    ['create-user', '--username', 'ok', '--password-stdin'],
    Buffer.from([0x61, 0xff, 0x62]),
    /the password: is not UTF-8/,
  ],
  [
    'a short password',
    ['create-user', '--username', 'ok', '--password-stdin'],
    'short',
    /at least 8 characters/,
  ],
  ['a common password', ['create-user', '--username', 'ok', '--password-stdin'], 'password1', /too common/],
  ['no terminal to ask at', ['create-user', '--username', 'ok'], password, /use --password-stdin/],
  ['no username', ['create-user', '--password-stdin'], password, /a user needs --username, --email or both/],
  [
    'a username with a space',
    ['create-user', '--username', 'a b', '--password-stdin'],
    password,
    /username: must be/,
  ],
  [
    'a username of two scripts',
    ['create-user', '--username', 'p\u0430ypal', '--password-stdin'],
    password,
    /username: must not mix letters/,
  ],
  [
    'an address that is none',
    ['create-user', '--username', 'ok', '--email', 'nobody', '--password-stdin'],
    password,
    /email: must be an e-mail address/,
  ],
  [
    'an empty role',
    ['create-user', '--username', 'ok', '--role', '', '--password-stdin'],
    password,
    /role\.0: must be 1 to 100/,
  ],
  [
    'two things wrong at once',
    ['create-user', '--username', 'x', '--email', 'y'],
    '',
    /username: .*; email: /,
  ],
  ['sessions of nobody', ['sessions', 'nobody'], '', /there is no user "nobody"/],
  ['sessions of an id that nobody has', ['sessions', '01a1fd65-c3a5-7f3a-9504-0a9086587122'], '', /no user/],
  ['sessions without a user', ['sessions'], '', /missing required argument 'user'/],
  ['logout of nobody', ['logout', "x' or 1=1 --"], '', /there is no user "x' or 1=1 --"/],
  ['too many arguments', ['logout', 'a', 'b'], '', /too many arguments/],
  ['an unknown option', ['logout', '--all', 'a'], '', /unknown option '--all'/],
  ['an unknown command', ['log-out', 'a'], '', /unknown command 'log-out' \(Did you mean logout\?\)/],
  ['a command that none is close to', ['events'], '', /^kindred: unknown command 'events'\n$/],
  [
    'an option that a needed one was meant by',
    ['create-user', '--usrname', 'ada'],
    '',
    /^kindred: unknown option '--usrname' \(Did you mean --username\?\)\n$/,
  ],
  [
    'an e-mail address as a username',
    ['create-user', '--username', 'zoe@example.com', '--password-stdin'],
    password,
    /username: an e-mail address belongs in --email/,
  ],
];

const metadata = (text: string): [string[], string] => [['create-client', '--metadata', '-'], text];

const aboutClients: Refused[] = [
  [
    'metadata that is no JSON, which is not repeated',
    ...metadata('{"client_secret":"hunter2'),
    /stdin is not valid/,
  ],
  ['metadata that is no object', ...metadata('[]'), /must be an object/],
  ['no metadata', ...metadata(''), /stdin is not valid JSON/],
  [
    'metadata that is no UTF-8',
    ['create-client', '--metadata', '-'],
    Buffer.from([0x22, 0xff, 0x22]),
    /is not UTF-8/,
  ],
  [
    'a member that nobody knows',
    ...metadata('{"frist_party":true,"redirect_uri":"x","colour":"red"}'),
    /unknown members "frist_party" \(did you mean first_party\?\), "redirect_uri" \(did you mean redirect_uris\?\), "colour"\n/,
  ],
  ['a client without a description', ...metadata('{}'), /does not describe the client: give a client_name/],
  [
    'a pattern of redirect URIs',
    ...metadata('{"redirect_uris":["https://a.example/*"]}'),
    /\* is no wildcard/,
  ],
  [
    'an API that nobody registered',
    ...metadata('{"resource_server":"https://nowhere.example/"}'),
    /resource_server: no resource server is registered as "https:\/\/nowhere\.example\/"; register it first/,
  ],
  [
    'a secret that is too short',
    ...metadata('{"client_name":"x","client_secret":"hunter2"}'),
    /client_secret: must have at least 22 characters/,
  ],
  [
    'members of the wrong kind',
    ...metadata('{"client_name":5,"contacts":"x"}'),
    /client_name: .*; contacts: /,
  ],
  [
    'a profile that does not exist',
    ...metadata('{"rotation_profile":"lax"}'),
    /rotation_profile: must be strict, /,
  ],
  [
    'a grant type that does not exist',
    ...metadata('{"grant_types":["magic"]}'),
    /grant_types can only contain/,
  ],
  [
    'a redirect URI with a fragment',
    ...metadata('{"redirect_uris":["https://a.example/#x"]}'),
    /redirect_uris must not contain fragments/,
  ],
  [
    'a file that does not exist',
    ['create-client', '--metadata', 'nothing.json'],
    '',
    /there is no such file/,
  ],
  [
    'a file of a strange name',
    ['create-client', '--metadata', 'a - b\nc.json'],
    '',
    /kindred: a - b c\.json: there is no such file/,
  ],
  ['a folder instead of a file', ['create-client', '--metadata', '/'], '', /cannot be read \(EISDIR\)/],
  ['a client without metadata', ['create-client'], '', /'--metadata <file>' not specified/],
  ['an API without identifier', ['create-resource-server'], '', /'--identifier <uri>' not specified/],
  [
    'an identifier that is no URI, and a scope of ours',
    ['create-resource-server', '--identifier', 'orders', '--scope', 'admin'],
    '',
    /identifier: must be a URL, with its scheme; scope: must not name .*admin/,
  ],
  [
    'a claim without its member',
    ['create-resource-server', '--identifier', 'https://a.example/', '--claim', 'plan'],
    '',
    /--claim plan: must be <name>=<member>/,
  ],
  [
    'a format that does not exist',
    ['create-resource-server', '--identifier', 'https://a.example/', '--format', 'xml'],
    '',
    /Allowed choices are jwt, opaque/,
  ],
  [
    'a lifetime that is no number',
    ['create-resource-server', '--identifier', 'https://a.example/', '--access-token-ttl', '5m'],
    '',
    /'--access-token-ttl <seconds>' argument '5m' is invalid. It must be a whole number of seconds/,
  ],
  [
    'a lifetime of nothing',
    ['create-resource-server', '--identifier', 'https://a.example/', '--access-token-ttl', '0'],
    '',
    /access_token_ttl: /,
  ],
];

const store = makeStore('sqlite');
test.after.always('the store is dropped', async () => await (await store).drop());

for (const [title, args, stdin, said] of [...aboutUsers, ...aboutClients]) {
  test.serial(`refused: ${title}`, async (t) => {
    const outcome = await kindred({ databaseUrl: (await store).url }, args, stdin);
    assertRefusedCommand(t, outcome, said);
    // What stands in the metadata may be a secret.
    t.notRegex(outcome.stderr, /hunter2/);
  });
}

test('options that npm consumed are reported', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const env = { ...environment(store.url), npm_lifecycle_event: 'kindred' };
  const wrong = await runCommand(['create-user', 'ada'], { env: { ...env, npm_config_username: 'ada' } });
  assertRefusedCommand(
    t,
    wrong,
    /npm took --username for itself; did you forget "--"\? npm run kindred -- create-user/,
  );
  const right = await runCommand(['keys'], { env: { ...env, npm_config_json: 'true' } });
  t.is(right.code, 0);
  t.regex(
    right.stderr,
    /^kindred: npm took --json for itself; did you forget "--"\? npm run kindred -- keys …\n$/,
  );
  const quiet = await runCommand(['keys', '--json'], { env });
  t.is(quiet.stderr, '');
});
