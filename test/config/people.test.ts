// The settings of mail, recovery and sign-up.
import test from 'ava';
import { ConfigError, loadConfig } from '../../config/index.ts';

const production = {
  NODE_ENV: 'production',
  ISSUER: 'https://id.example',
  TRUST_PROXY: '1',
  KINDRED_SECRET: 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA',
};
const mail = { SMTP_URL: 'smtp://u:p@mail.example:587', MAIL_FROM: 'Example <login@example.com>' };

function problems(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig({ ...production, ...env });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

test('production refuses to start where mail is needed by what was written down and no mail server is', (t) => {
  t.deepEqual(problems({ RECOVERY: 'mail' }), ['SMTP_URL: is required with RECOVERY=mail']);
  t.deepEqual(problems({ SIGN_UP: 'open' }), ['SMTP_URL: is required with SIGN_UP=open']);
  t.deepEqual(problems({ RECOVERY: 'mail', SIGN_UP: 'open', ...mail }), []);
  t.deepEqual(problems({ SMTP_URL: mail.SMTP_URL }), ['MAIL_FROM: is required with SMTP_URL']);
  t.deepEqual(problems({}), [], 'what nobody wrote down is off');
});

test('recovery is on where a mail can be sent, and is off otherwise', (t) => {
  const recovery = (env: NodeJS.ProcessEnv) => loadConfig({ ...production, ...env }).recovery;
  t.false(recovery({}));
  t.true(recovery(mail));
  t.false(recovery({ ...mail, RECOVERY: 'off' }));
});

test('a mail server or a sender of another form is refused, and no password is repeated', (t) => {
  const refused = (env: NodeJS.ProcessEnv) => {
    const found = problems({ ...mail, ...env });
    t.notRegex(found.join(), /hunter2/);
    return found.map((problem) => problem.slice(0, problem.indexOf(':')));
  };
  for (const SMTP_URL of ['mail.example:587', 'https://u:hunter2@mail.example', ''])
    t.deepEqual(refused({ SMTP_URL }), SMTP_URL === '' ? [] : ['SMTP_URL'], SMTP_URL);
  for (const MAIL_FROM of [
    'Example',
    'a@b, c@d',
    'Ex\r\nBcc: x <a@b.example>',
    '<a@b> <c@d>',
    'a b@example.com',
  ])
    t.deepEqual(refused({ MAIL_FROM }), ['MAIL_FROM'], MAIL_FROM);
});
