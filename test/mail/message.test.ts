// Mails as mail programs get them: read by a parser of its own from the files of development.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { newId } from '../../src/lib/ids.ts';
import { openTransport } from '../../src/mail/transport.ts';
import { type Mail, renderMail } from '../../src/pages/mail/mail.ts';
import { headerOf, readMail } from '../helpers/mail_server.ts';
import { nastyNames, samples, secret } from '../pages/mail/samples.ts';

const signal = new AbortController().signal;

/** Writes a mail into a folder of its own; returns the file and what it holds. */
async function write(
  t: ExecutionContext,
  mail: Mail,
  {
    brand = 'Kindred',
    from = null,
    to = mail.to,
  }: { brand?: string; from?: string | null; to?: string } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-mail-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const settings = { smtpUrl: null, from, replyTo: null, folder, notices: [] };
  const people = { mail: settings, recovery: true, signUp: 'off' as const, signUpDomains: null };
  const transport = openTransport({ ...people, issuer: mail.origin });
  const rendered = renderMail({ name: brand }, mail);
  const file = (await transport?.send({ ...rendered, id: newId(), to, at: mail.at }, signal)) ?? '';
  const raw = await readFile(file, 'utf8');
  const head = raw.slice(0, raw.indexOf('\n\n'));
  return { ...rendered, file, raw, head, read: readMail(raw) };
}

const headers = [
  'From',
  'To',
  'Subject',
  'Message-ID',
  'Date',
  'MIME-Version',
  'Auto-Submitted',
  'Content-Type',
].toSorted();

function namesOf(head: string): string[] {
  return [...head.matchAll(/^([\w-]+):/gm)].map(([, name = '']) => name).toSorted();
}

for (const name of nastyNames) {
  test(`no header and no part comes of ${JSON.stringify(name)}`, async (t) => {
    const facts = { name, client: name, reason: name };
    const mail = { ...samples.password_set_by_admin, facts };
    const { head, read, raw, text, html } = await write(t, mail, {
      brand: name,
      from: `${name.replaceAll(/[<>\r\n"]/g, '')} <id@id.example>`,
    });
    t.deepEqual(namesOf(head), headers);
    t.is(headerOf(head, 'To'), 'ada@example.com');
    t.regex(headerOf(head, 'From'), /<id@id\.example>$/);
    t.is(raw.match(/^Content-Type: text\//gm)?.length, 2);
    t.is(read.text.trimEnd(), text.trimEnd());
    t.is(read.html.trimEnd(), html.trimEnd());
  });
}

test('a long link is whole, alone on its line and the same in both forms, also where its text needs an encoding', async (t) => {
  const origin = `https://${'id'.repeat(20)}.example/2a=2a=3D/x`;
  for (const brand of ['Kindred', 'Künstler']) {
    const { raw, read, link } = await write(t, { ...samples.recover, origin }, { brand });
    t.is(link, `${origin}/recover/${secret}`);
    t.deepEqual(read.links, [link]);
    t.true(read.html.includes(`href="${link}"`));
    t.notRegex(raw, /2a=2a/, 'a = is encoded wherever the body is not plain');
    t.true(raw.split('\n').every((line) => Buffer.byteLength(line) < 998));
  }
  const plain = await write(t, samples.recover);
  t.true(plain.raw.split('\n').includes(`https://id.example/recover/${secret}`));
});

test('a mail for now and its copy have one Message-ID, of the outbox; the file is for its owner alone', async (t) => {
  const { head, file } = await write(t, samples.test);
  t.regex(headerOf(head, 'Message-ID'), /^<[\da-f-]{36}@id\.example>$/);
  t.is(headerOf(head, 'Auto-Submitted'), 'auto-generated');
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.regex(file, /2026-05-03T12-03-00-000Z-test-mail-from-kindred-[\da-f]{6}\.eml$/);
});

test('a sender with a comma in its name is one sender', async (t) => {
  const { head } = await write(t, samples.test, { from: 'Acme, Inc. <login@acme.example>' });
  t.is(headerOf(head, 'From'), '"Acme, Inc." <login@acme.example>');
});
