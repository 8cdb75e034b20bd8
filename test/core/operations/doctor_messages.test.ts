// What the doctor and the metrics say of mail and of messages that wait or were given up.
import { loadConfig } from '../../../config/index.ts';
import { checkMail, checkMessages } from '../../../src/core/operations/doctor_messages.ts';
import { countMessages } from '../../../src/core/outbox/messages.ts';
import { after } from '../../helpers/builders.ts';
import { makeMessage } from '../../helpers/messages.ts';
import { environment, type Settings } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';

const server = { SMTP_URL: 'smtp://user:hunter2@mail.example:587', MAIL_FROM: 'login@example.com' };

testOnStores(
  'the doctor says where mails go, without the password, and whether users can recover',
  async (t, { url }) => {
    const found = (settings: Settings) => checkMail(loadConfig(environment(url, settings)));
    t.deepEqual(
      found({ RECOVERY: 'off' }).map(({ state, text }) => `${state} ${text}`),
      [
        'note mail is not configured: users get no notices, and no code by mail',
        'note RECOVERY is off: a user who forgot the password needs an administrator',
      ],
    );
    t.deepEqual(
      found({ ...server, RECOVERY: 'mail' }).map(({ state, text }) => `${state} ${text}`),
      ['good smtp://mail.example:587 sends mails from login@example.com'],
    );
    t.notRegex(JSON.stringify(found(server)), /hunter2/);
  },
);

testOnStores(
  'the doctor counts what waits and what was given up, and finds that no server delivers',
  async (t, { db, url }) => {
    const config = loadConfig(environment(url, server));
    const said = async (settings = config) => {
      const { state, text } = await checkMessages(db, settings);
      return `${state} ${text}`;
    };
    t.is(await said(), 'good 0 waiting; 0 given up');
    const now = new Date();
    await makeMessage(db);
    t.is(await said(), 'note 0 waiting; 1 given up');
    const waiting = { state: 'waiting' as const, created_at: after(now, -7_200) };
    const id = await makeMessage(db, { ...waiting, next_attempt_at: after(now, 300) });
    t.is(await said(), 'note 1 waiting, the oldest for 2 h; 1 given up');
    await db('outbox')
      .where({ id })
      .update({ next_attempt_at: after(now, -700) });
    t.is(await said(), 'wrong 1 waiting, the oldest for 2 h; 1 given up; no server delivers them');
    t.is(await said(loadConfig(environment(url))), 'note 1 waiting, the oldest for 2 h; 1 given up');
    t.deepEqual(await countMessages(db), { waiting: 1, dead: 1 });
  },
);
