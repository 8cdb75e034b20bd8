// Findings of the fuzzers: requests that once made the server fail, each named after the symptom.
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { assertRefused, send } from '../helpers/client.ts';
import { testOnServers } from '../helpers/server.ts';
import { formOf, openUserAgent, textOf } from '../helpers/user_agent.ts';

const formType = { 'Content-Type': 'application/x-www-form-urlencoded' };

testOnServers(
  'a device form from a browser without a session is shown again, and then works',
  async (t, server) => {
    for (const body of [
      '',
      'user_code=BCDF-GHJK',
      'abort=yes&xsrf=x',
      'xsrf=x&xsrf=y',
      'user_code[]=x&xsrf[]=y',
    ]) {
      const ua = openUserAgent(server.url);
      const page = await ua.send(`${server.url}/device`, { method: 'POST', body, headers: formType });
      t.is(page.status, 200, body);
      t.truthy(formOf(page, '/device').fields.xsrf);
      const next = await ua.submit(page, '/device', { user_code: 'BCDF-GHJK' });
      t.regex(textOf(next), /That code doesn’t match/, body);
    }
  },
);

testOnServers('a form that cannot be decoded by its content encoding is refused', async (t, server) => {
  const invalid = { status: 400, error: 'invalid_request' };
  const paths = ['/account/login', '/account/password', '/interaction/x/login'];
  for (const path of paths) {
    for (const encoding of ['gzip', 'br', 'deflate', 'x']) {
      const headers = { ...formType, 'Content-Encoding': encoding };
      assertRefused(
        t,
        await send(server.url + path, { body: 'csrf=x', headers }),
        invalid,
        `${path} ${encoding}`,
      );
    }
  }
});

testOnServers('an error without a description from the engine gets one', async (t, server) => {
  const { client_id } = await makeClient(server.db, { redirect_uris: ['https://app.example/cb'] });
  const answer = await send(`${server.url}/par`, {
    form: { client_id, response_type: 'code', request_uri: 'https://app.example/request' },
  });
  assertRefused(t, answer, { status: 400, error: 'request_uri_not_supported' });
});

testOnServers('an action of the account page on an id that contains NUL finds nothing', async (t, server) => {
  const ua = openUserAgent(server.url);
  const user = await makeUser(server.db);
  const page = await ua.open(`${server.url}/account`);
  const account = await ua.submit(page, '/account/login', { username: user.username, password });
  const { csrf = '' } = formOf(account, '/account/logout').fields;
  const actions = ['sessions/%00/end', 'devices/%00/rename', 'browsers/a%00b/end', 'consents/%00/withdraw'];
  for (const action of actions) {
    const body = new URLSearchParams({ csrf, name: 'Phone' });
    const answer = await ua.send(`${server.url}/account/${action}`, { method: 'POST', body });
    t.is(answer.status, 303, action);
    t.is(answer.location, `${server.url}/account`, action);
    t.regex(textOf(await ua.open(`${server.url}/account`)), /already been removed/, action);
  }
});
