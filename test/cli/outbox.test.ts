// `outbox` and `send-test-mail`.
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { assertRefusedCommand, kindred, kindredJson, runCommand } from '../helpers/commands.ts';
import { mailSettings, startMailServer } from '../helpers/mail_server.ts';
import { makeMessage } from '../helpers/messages.ts';
import { environment } from '../helpers/server.ts';
import { testOnStores } from '../helpers/stores.ts';

testOnStores('messages are listed, retried and dropped', async (t, { db, url: databaseUrl }) => {
  t.regex((await kindred({ databaseUrl }, ['outbox'])).stdout, /^no message waits, and none was given up$/m);
  const id = await makeMessage(db);
  await makeMessage(db, { kind: 'logout_token', receiver: 'app', subject: 'logout', state: 'waiting' });
  const { messages } = await kindredJson<{ messages: { id: string }[] }>({ databaseUrl }, [
    'outbox',
    'list',
    '--state',
    'dead',
  ]);
  t.deepEqual(
    messages.map((one) => one.id),
    [id],
  );
  t.like(await kindredJson({ databaseUrl }, ['outbox', 'retry', id]), { id, state: 'waiting', attempts: 0 });
  t.regex((await kindred({ databaseUrl }, ['outbox', 'drop', id])).stdout, /is dropped/);
  assertRefusedCommand(t, await kindred({ databaseUrl }, ['outbox', 'drop', id]), /no such message/);
  assertRefusedCommand(t, await kindred({ databaseUrl }, ['outbox', 'retry']), /which message\?/);
  assertRefusedCommand(t, await kindred({ databaseUrl }, ['outbox', 'drop', 'x']), /no id of a message/);
  const types = await db('audit_events').where('type', 'like', 'message_%').orderBy('id').pluck('type');
  t.deepEqual(types, ['message_retried', 'message_dropped']);
});

test('send-test-mail sends by the settings, says what the mail server answered, and needs no database', async (t) => {
  const mail = await startMailServer(t, {
    onRcptTo({ address }, _session, done) {
      if (address.startsWith('ada')) done();
      else done(Object.assign(new Error('no such mailbox here'), { responseCode: 550 }));
    },
  });
  const databaseUrl = 'sqlite:/nowhere/kindred.sqlite';
  const send = async (to: string, settings = mailSettings(mail)) =>
    await runCommand(['send-test-mail', to], { env: environment(databaseUrl, settings) });
  t.regex((await send('ada@example.test')).stdout, /the mail server took a mail to ada@example\.test/);
  t.is(mail.mails[0]?.subject, 'Test mail from Kindred');
  assertRefusedCommand(t, await send('bob@example.test'), /SMTP 550 .*no such mailbox here/);
  assertRefusedCommand(t, await send('ada@example.test, bob@example.test'), /must be an address/);
  assertRefusedCommand(
    t,
    await send('ada@example.test', {}),
    /mail is not configured: set SMTP_URL and MAIL_FROM/,
  );
  t.is(mail.mails.length, 1);
});

testOnStores(
  'without a mail server, development writes a file for its owner',
  async (t, { url: databaseUrl }) => {
    const env = { ...environment(databaseUrl), NODE_ENV: 'development' };
    const { stdout, stderr } = await runCommand(['send-test-mail', 'ada@example.test'], { env });
    t.regex(stdout, /the mail is in (\S+)\.eml/, stderr);
    const file = /in (\S+\.eml)/.exec(stdout)?.[1] ?? '';
    t.true((await readdir(dirname(file))).includes(file.slice(dirname(file).length + 1)), join(file));
  },
  ['sqlite'],
);
