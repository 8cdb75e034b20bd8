// What mails say, in both forms, whatever names they hold.
import test from 'ava';
import { renderMail } from '../../../src/pages/mail/mail.ts';
import { nastyNames, samples, secret } from './samples.ts';

const brand = { name: 'Kindred' };

function linksOf(html: string): string[] {
  return [...html.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, url = '']) => url);
}

/** What a reader sees of the HTML. */
function visible(html: string): string {
  return html
    .replace(/<head>.*<\/head>/s, '')
    .replaceAll(/<[^>]+>/g, '\n')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

for (const [kind, mail] of Object.entries(samples)) {
  test(`the mail ${kind} says the same in both forms, and has one link at most`, (t) => {
    const { subject, text, html, link } = renderMail(brand, mail);
    t.is(link, mail.path ? `https://id.example${mail.path}` : null);
    t.deepEqual(text.match(/^https?:\S+$/gm) ?? [], link ? [link] : []);
    t.deepEqual(linksOf(html), link ? [link] : []);
    t.regex(subject, /Kindred/);
    t.is(/^Your code: (\d{6})$/m.exec(text)?.[1], mail.code ?? undefined);
    const seen = visible(html);
    for (const line of text.split('\n').filter((one) => !/^(--|https?:.*)$/.test(one)))
      for (const part of line.split(/^Your code: |: |:$/).filter(Boolean)) t.true(seen.includes(part), part);
  });

  test(`the mail ${kind} names time, address and, where they are known, device and account`, (t) => {
    const { text } = renderMail(brand, mail);
    const facts = text.match(/^(Time|Device|Network address|Account|E-mail address): .*$/gm);
    const rest = ['Network address: 203.0.113.7', 'E-mail address: ada@example.com'];
    const [network = '', address = ''] = rest;
    t.deepEqual(
      facts,
      mail.isProved
        ? [
            'Time: 3 May 2026 at 14:03 (Europe/Berlin)',
            'Device: Firefox on Linux',
            network,
            'Account: ada',
            address,
          ]
        : ['Time: 3 May 2026 at 12:03 (UTC)', network, address],
    );
  });

  for (const name of nastyNames) {
    test(`the mail ${kind} keeps ${JSON.stringify(name)} in its place`, (t) => {
      const facts = { name, client: name, reason: name, device: name, address: name, note: name };
      const named = { ...mail, facts, source: { ip: null, user_agent: name } };
      const { subject, text, html } = renderMail({ name }, named);
      t.notRegex(subject, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u);
      t.true([...subject].length <= 150);
      t.notRegex(text, /[^\n\P{Cc}]|[\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u);
      t.notRegex(html, /[\p{Bidi_Control}\p{Cs}]/u);
      t.deepEqual(linksOf(html), mail.path ? [`https://id.example${mail.path}`] : []);
      t.notRegex(html, /<script|<img/);
      t.deepEqual(text.match(/^Your code: .*$/gm), mail.code ? [`Your code: ${mail.code}`] : null);
      t.is(text.match(/^Time: /gm)?.length, 1);
    });
  }
}

test('a mail to an address that nobody has proved has nothing that a requester chose', (t) => {
  for (const mail of Object.values(samples)) {
    const chosen = 'Chosen-by-a-stranger';
    const facts = { name: chosen, client: chosen, reason: chosen, address: chosen, note: chosen };
    const source = { ip: null, user_agent: `${chosen}/1.0` };
    const rendered = renderMail(brand, { ...mail, isProved: false, facts, source, zoneinfo: 'Asia/Tokyo' });
    t.notRegex(Object.values(rendered).join('\n'), /stranger|Tokyo|Device/, mail.kind);
  }
});

test('times are in the zone of the user, and in UTC where it is no zone', (t) => {
  const timeOf = (zoneinfo: string | undefined) =>
    /^Time: (.*)$/m.exec(renderMail(brand, { ...samples.recovered, zoneinfo }).text)?.[1];
  t.is(timeOf('America/New_York'), '3 May 2026 at 08:03 (America/New_York)');
  for (const zone of [
    undefined,
    '',
    '+02:00',
    'Mars/Olympus',
    'UTC\r\nBcc: x@example.com',
    'W'.repeat(5_000),
  ])
    t.is(timeOf(zone), '3 May 2026 at 12:03 (UTC)');
});

/** How a mail names a device with this user agent, to which the app gave this name. */
function deviceIn(user_agent: string | null, name?: string): string | undefined {
  const { facts, ...mail } = samples.new_device;
  const given = { ...facts, ...(name === undefined ? {} : { device: name }) };
  const { text } = renderMail(brand, { ...mail, facts: given, source: { ip: null, user_agent } });
  return /^Device: (.*)$/m.exec(text)?.[1];
}

test('a program that calls itself like a website is an unknown device: mail programs would make a link of its name', (t) => {
  t.is(deviceIn('evil.example/1.0'), 'Unknown device');
  t.is(deviceIn('okhttp/4.12.0'), 'okhttp');
  t.is(deviceIn(null), 'Unknown device');
});

test('a device has the name that the app gave it, unless mail programs would make a link of that', (t) => {
  t.is(deviceIn('okhttp/4.12.0', 'Ada’s phone'), 'Ada’s phone (okhttp)');
  for (const name of ['evil.example', 'http://evil', 'call:1', 'me@evil'])
    t.is(deviceIn('okhttp/4.12.0', name), 'okhttp', name);
});

test('both forms have the colours of the brand, light and dark, and load nothing', (t) => {
  const { html } = renderMail({ name: 'Acme', accent: '#8800cc' }, samples.recover);
  t.regex(html, /background:#8800cc/);
  t.regex(html, /@media \(prefers-color-scheme:\s?dark\)/);
  t.notRegex(html, /url\(|@import|<link|<img/);
  t.regex(html, new RegExp(secret));
});
