// What the mail server answers, and what becomes of the mail: refusals, waits, encryption, passwords, a server that hangs or is gone.

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { SMTPServerOptions } from 'smtp-server';
import { envelopeAddress } from '../../src/core/users/names.ts';
import { newId } from '../../src/lib/ids.ts';
import { type MailError, openTransport } from '../../src/mail/transport.ts';
import { renderMail } from '../../src/pages/mail/mail.ts';
import { type MailServer, startMailServer } from '../helpers/mail_server.ts';
import { samples } from '../pages/mail/samples.ts';

const never = new AbortController().signal;

/** Sends one mail to this server; what came of it: `sent`, or the reason and whether it is final. */
async function send(url: string, to = 'ada@example.com', signal = never): Promise<string> {
  const settings = {
    smtpUrl: url,
    from: 'Kindred <id@id.example>',
    replyTo: null,
    folder: null,
    notices: [],
  };
  const people = { mail: settings, recovery: true, signUp: 'off' as const, signUpDomains: null };
  const transport = openTransport({ ...people, issuer: 'https://id.example' });
  const rendered = renderMail({ name: 'Kindred' }, samples.recover);
  try {
    await transport?.send({ ...rendered, id: newId(), to, at: new Date() }, signal);
    return 'sent';
  } catch (error) {
    const { message, isFinal } = error as MailError;
    return `${message}, ${isFinal ? 'final' : 'later'}`;
  }
}

/** Sends one mail to a server with these options. */
async function sendTo(t: ExecutionContext, options: SMTPServerOptions, change = (url: string) => url) {
  const mail = await startMailServer(t, options);
  return { outcome: await send(change(mail.url)), mail };
}

function refuse(responseCode: number) {
  return Object.assign(new Error('no'), { responseCode });
}

for (const [code, outcome] of [
  [421, 'SMTP 421, later'],
  [450, 'SMTP 450, later'],
  [550, 'SMTP 550, final'],
  [554, 'SMTP 554, final'],
  [530, 'SMTP 530, later'],
] as const) {
  test(`${code} to the sender, to the recipient and to the content: ${outcome}`, async (t) => {
    const refusal = refuse(code);
    const at = async (options: SMTPServerOptions) => (await sendTo(t, options)).outcome;
    t.is(await at({ onMailFrom: (_address, _session, done) => done(refusal) }), outcome);
    t.is(await at({ onRcptTo: (_address, _session, done) => done(refusal) }), outcome);
    t.is(
      await at({ onData: (stream, _session, done) => stream.resume().on('end', () => done(refusal)) }),
      outcome,
    );
  });
}

test('a greeting that refuses every client concerns no mail: it is tried again', async (t) => {
  const { outcome } = await sendTo(t, { onConnect: (_session, done) => done(refuse(554)) });
  t.is(outcome, 'SMTP 554, later');
});

const secured = { disabledCommands: [] };
const unverified = '?tls.rejectUnauthorized=false';

test('a mail goes over STARTTLS where it is offered, and not to a certificate that is not trusted', async (t) => {
  const encrypted: boolean[] = [];
  const onMailFrom: SMTPServerOptions['onMailFrom'] = (_address, session, done) => {
    encrypted.push(session.secure);
    done();
  };
  const { outcome, mail } = await sendTo(t, { ...secured, onMailFrom }, (url) => url + unverified);
  t.deepEqual([outcome, encrypted, mail.mails.length], ['sent', [true], 1]);
  const distrusted = await sendTo(t, { ...secured, onMailFrom });
  t.deepEqual([distrusted.outcome, distrusted.mail.mails.length], ['ESOCKET, later', 0]);
  t.deepEqual(encrypted, [true]);
});

test('smtps is encrypted from the beginning', async (t) => {
  const tls = (url: string) => url.replace('smtp:', 'smtps:');
  const { outcome, mail } = await sendTo(t, { secure: true }, (url) => tls(url) + unverified);
  t.deepEqual([outcome, mail.mails.length], ['sent', 1]);
  t.regex((await sendTo(t, { secure: true }, tls)).outcome, /^E\w+, later$/);
});

test('the user and the password of the URL are given; a wrong password is no fault of the mail', async (t) => {
  const options: SMTPServerOptions = {
    authOptional: false,
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      if (username === 'ada@x' && password === 'p:w/d') done(null, { user: username });
      else done(new Error('wrong'));
    },
  };
  const withUser = (user: string) => (url: string) => url.replace('//', `//${user}@`);
  t.is((await sendTo(t, options, withUser('ada%40x:p%3Aw%2Fd'))).outcome, 'sent');
  t.is((await sendTo(t, options, withUser('ada%40x:wrong'))).outcome, 'SMTP 535, later');
  t.is((await sendTo(t, options)).outcome, 'SMTP 530, later');
});

test('a server that is gone, hangs up or says nothing sensible: tried again', async (t) => {
  const gone = await startMailServer(null);
  await gone.close();
  t.regex(await send(gone.url), /^E\w+, later$/);
  for (const greeting of [null, 'HTTP/1.1 400 Bad Request\r\n\r\n']) {
    const server = createServer((socket) => void socket.end(greeting ?? ''));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    t.regex(await send(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`), /, later$/);
  }
});

test('a server that hangs is left when its time is over, and the connection closes', async (t) => {
  const closed = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const mail: MailServer = await startMailServer(t, {
    onRcptTo: () => reached.resolve(),
    onClose: () => closed.resolve(),
  });
  const time = new AbortController();
  const outcome = send(mail.url, 'ada@example.com', time.signal);
  await reached.promise;
  time.abort();
  t.is(await outcome, 'the mail server took too long, later');
  await closed.promise;
  t.is(mail.mails.length, 0);
});

/** A server that takes everything and records the commands as they came. */
async function recordCommands(t: ExecutionContext): Promise<{ url: string; commands: string[] }> {
  const commands: string[] = [];
  const server = createServer((socket) => {
    socket.write('220 hello\r\n');
    let isInData = false;
    socket.on('data', (bytes) => {
      for (const line of bytes.toString().split('\r\n').filter(Boolean)) {
        if (!isInData) commands.push(line);
        if (isInData && line !== '.') continue;
        isInData = line === 'DATA';
        socket.write(isInData ? '354 go on\r\n' : '250 ok\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, commands };
}

test('the server greets by the host of the issuer; the envelope has the domain in ASCII and the local part as it is stored', async (t) => {
  const { url, commands } = await recordCommands(t);
  const stored = envelopeAddress('Ada.L+x@B\u00fccher.example');
  t.is(await send(url, stored ?? ''), 'sent');
  t.deepEqual(
    commands.filter((one) => /^(EHLO|MAIL|RCPT)/.test(one)),
    ['EHLO id.example', 'MAIL FROM:<id@id.example>', 'RCPT TO:<Ada.L+x@xn--bcher-kva.example>'],
  );
});
