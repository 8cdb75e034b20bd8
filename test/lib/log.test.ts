import test from 'ava';
import { redact } from '../../src/lib/log.ts';
import { runChild } from '../helpers/child.ts';
import { fc } from '../helpers/fuzzing.ts';

test('a secret is replaced at any position, and the values beside it are not', (t) => {
  const at = new Date(0);
  t.deepEqual(
    redact({
      password: 'p',
      user: { id: 'u', password_hash: 'h', devices: [{ name: 'phone', push_token: 't' }, null, 'text'] },
      headers: { Authorization: 'Bearer x', 'Set-Cookie': ['a=b'], accept: '*/*' },
      tokens: { refreshToken: 'r', access_token: { jti: 'j' } },
      count: 3,
      at,
    }),
    {
      password: '[redacted]',
      user: {
        id: 'u',
        password_hash: '[redacted]',
        devices: [{ name: 'phone', push_token: '[redacted]' }, null, 'text'],
      },
      headers: { Authorization: '[redacted]', 'Set-Cookie': '[redacted]', accept: '*/*' },
      tokens: { refreshToken: '[redacted]', access_token: '[redacted]' },
      count: 3,
      at,
    },
  );
});

test('error codes are logged, and authorization codes are not', (t) => {
  const codes = ['EADDRINUSE', 'ERR_INVALID_ARG_TYPE', 'SQLITE_BUSY', '57P01'];
  for (const code of codes) {
    t.deepEqual(redact({ port: 9464, code }), { port: 9464, code });
    t.deepEqual(redact({ query: { code } }), { query: { code: '[redacted]' } }, 'what a request sent');
  }
  const opening = 'Lr3Qo5sX0dKcA2mXk1v4b6n8p0q2s4u6w8y0A2C4E6G';
  for (const code of [opening, '123456', 123456, 'ABCD-EFGH', ['EADDRINUSE', opening]]) {
    t.deepEqual(redact({ code, Code: code }), { code: '[redacted]', Code: '[redacted]' });
  }
  const others = { user_code: 'WDJBMJHT', device_code: 'EADDRINUSE', code_verifier: opening };
  t.deepEqual(redact(others), {
    user_code: '[redacted]',
    device_code: '[redacted]',
    code_verifier: '[redacted]',
  });
});

test('secrets are redacted at any depth', (t) => {
  const nest = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 15, depthSize: 'max' }, tie('leaf'), tie('list'), tie('object')),
    leaf: fc.record({ client_secret: fc.constant('hunter2') }),
    list: fc.array(tie('value'), { minLength: 1, maxLength: 2 }),
    object: fc.record({ inner: tie('value') }),
  }));
  fc.assert(fc.property(nest.value, (value) => t.notRegex(JSON.stringify(redact(value)), /hunter2/)));
});

test('redaction does not change the original', (t) => {
  const original = { password: 'p', list: [{ token: 't' }] };
  redact(original);
  t.deepEqual(original, { password: 'p', list: [{ token: 't' }] });
});

test('a circular structure is logged', (t) => {
  const circle: Record<string, unknown> = { token: 't' };
  circle.self = circle;
  t.notThrows(() => JSON.stringify(redact(circle)));
});

test('an error is logged with its name, code, message, frames and cause', (t) => {
  const cause = Object.assign(new TypeError('inner'), { code: 'E_INNER' });
  const error = Object.assign(new Error('outer', { cause }), { password: 'hunter2' });
  const { stack, ...told } = redact(error) as Record<string, unknown>;
  t.regex(String(stack), /^\s+at .*log\.test\.ts/);
  t.like(told, {
    name: 'Error',
    message: 'outer',
    cause: { name: 'TypeError', code: 'E_INNER', message: 'inner' },
  });
  t.notRegex(JSON.stringify(told), /hunter2/);
});

test('the log says why a statement failed, without its bound values', async (t) => {
  const { stdout, stderr, code } = await runChild(new URL('children/write_log.ts', import.meta.url));
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  t.notRegex(stdout, /hunter2/);

  const [signedIn, ...failed] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.like(signedIn, {
    msg: 'signed in',
    refresh_token: '[redacted]',
    user: { password: '[redacted]', id: 1 },
  });
  const reason = 'SQLITE_ERROR: no such table: nowhere';
  const told = { name: 'Error', code: 'SQLITE_ERROR', message: reason };
  const expected = [
    { msg: reason, err: told },
    { msg: 'with a message', err: told },
    { msg: reason, err: told },
    { msg: 'with a message', err: told, request_id: 'r1' },
    { msg: 'in a list', failures: [told] },
    { msg: 'outer', err: { name: 'Error', message: 'outer', cause: told } },
  ];
  t.is(failed.length, expected.length);
  for (const [index, line] of expected.entries()) t.like(failed[index], line);
});

test('a long text is cut, so that its line is written in one piece', (t) => {
  const longest = 'a'.repeat(1_000);
  t.deepEqual(redact({ path: longest, deep: [`${longest}b`] }), { path: longest, deep: [`${longest}…`] });
  const { message } = redact(new Error(`${longest}b`)) as { message: string };
  t.is(message, `${longest}…`);
});
