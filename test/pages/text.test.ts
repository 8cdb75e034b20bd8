import test from 'ava';
import { isFlashCode } from '../../src/pages/account_texts.ts';
import { destinationOf, escapeHtml, monogram, shorten, webUrl } from '../../src/pages/text.ts';
import { ago, exactMoment, onDay, waitFor } from '../../src/pages/time.ts';
import { describeUserAgent, deviceKind } from '../../src/pages/user_agent.ts';

const userAgents: [userAgent: string | null, words: string, kind: string][] = [
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux', 'computer'],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    'Chrome on Windows',
    'computer',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge on Windows',
    'computer',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15',
    'Safari on Mac',
    'computer',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1',
    'Safari on iPhone',
    'phone',
  ],
  [
    'Mozilla/5.0 (iPad; CPU OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1',
    'Chrome on iPad',
    'phone',
  ],
  [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36',
    'Samsung Internet on Android',
    'phone',
  ],
  [
    'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0',
    'Opera on ChromeOS',
    'computer',
  ],
  ['Dalvik/2.1.0 (Linux; U; Android 16; Pixel 9)', 'An app on Android', 'phone'],
  ['okhttp/4.12.0', 'okhttp', 'other'],
  ['curl/8.14.1', 'curl', 'other'],
  ['KindredNotes/4.2 (Android 16)', 'KindredNotes on Android', 'phone'],
  ['Mozilla/5.0', 'Unknown device', 'other'],
  ['<script>alert(1)</script>', 'Unknown device', 'other'],
  ['', 'Unknown device', 'other'],
  [null, 'Unknown device', 'other'],
];

for (const [userAgent, words, kind] of userAgents) {
  test(`"${userAgent}" is ${words}`, (t) => {
    t.is(describeUserAgent(userAgent), words);
    t.is(deviceKind(null, userAgent), kind as ReturnType<typeof deviceKind>);
  });
}

test('the platform that the client names takes precedence over the user agent', (t) => {
  t.is(deviceKind('android', userAgents[0]?.[0]), 'phone');
  t.is(deviceKind('macOS', null), 'computer');
  t.is(deviceKind('toaster', userAgents[0]?.[0]), 'computer');
  t.is(deviceKind('ios', null), 'phone');
});

test('a user agent of any length is described in a few milliseconds', (t) => {
  const start = process.threadCpuUsage();
  for (const unit of ['Version/', 'Mozilla/5.0 (', 'Version/1 Safari', 'a'])
    describeUserAgent(unit.repeat(20_000));
  const { user, system } = process.threadCpuUsage(start);
  // Milliseconds of processor time, of which it takes a few; square, it would be half a minute.
  t.true((user + system) / 1000 < 1_000);
});

const now = new Date('2030-05-12T14:03:00Z');
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

test('times are relative, with the exact time beside them', (t) => {
  const told: [seconds: number, text: string][] = [
    [0, 'just now'],
    [59, 'just now'],
    [60, '1 minute ago'],
    [3_599, '59 minutes ago'],
    [7_300, '2 hours ago'],
    [86_400, 'yesterday'],
    [6 * 86_400, '6 days ago'],
    [8 * 86_400, 'last week'],
    [70 * 86_400, '2 months ago'],
    [800 * 86_400, '2 years ago'],
    [-300, 'in 5 minutes'],
  ];
  for (const [seconds, text] of told) t.is(ago(before(seconds), now).text, text);
  t.deepEqual(ago(before(60), now), {
    iso: '2030-05-12T14:02:00.000Z',
    text: '1 minute ago',
    title: '12 May 2030 at 14:02 UTC',
  });
  t.is(exactMoment(now).text, '12 May 2030 at 14:03 UTC');
  t.is(onDay(now).text, '12 May 2030');
});

test('a wait is never shown shorter than it is', (t) => {
  const told: [seconds: number, text: string][] = [
    [0, '1 second'],
    [0.2, '1 second'],
    [60, '60 seconds'],
    [91, '2 minutes'],
    [181, '4 minutes'],
    [5_400, '2 hours'],
    [130_000, '2 days'],
  ];
  for (const [seconds, text] of told) t.is(waitFor(seconds), text);
});

test('a name is cut between graphemes', (t) => {
  t.is(shorten(' ada ', 3), 'ada');
  t.is(shorten('Ada Lovelace', 5), 'Ada…');
  t.is(shorten('👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧', 2), '👩‍👩‍👧…');
  t.is(shorten('e\u0301e\u0301e\u0301', 2), 'e\u0301…');
});

test('the letter for a name is its first letter, also after other characters', (t) => {
  t.deepEqual(['kindred', ' "ñandú"', '🎉 party', '🎉', 'ßx', 'שלום', '7up', '', ' '].map(monogram), [
    'K',
    'Ñ',
    'P',
    '🎉',
    'SS',
    'ש',
    '7',
    '?',
    '?',
  ]);
});

test('only http and https URLs become links', (t) => {
  t.is(webUrl('https://x.example/a b'), 'https://x.example/a%20b');
  t.is(webUrl('http://127.0.0.1:1/'), 'http://127.0.0.1:1/');
  for (const bad of [
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'data:text/html,x',
    '/path',
    'x',
    '',
    null,
    undefined,
  ])
    t.is(webUrl(bad), null);
});

const places: [redirectUri: string, words: string, isSite: boolean][] = [
  ['https://print.example/callback?x', 'print.example', true],
  ['https://print.example:8443/', 'print.example:8443', true],
  ['https://ada@evil.example/print.example', 'evil.example', true],
  ['https://раypal.example/', 'xn--ypal-43d9g.example', true],
  ['http://localhost.evil.example/cb', 'localhost.evil.example', true],
  ['http://127.0.0.1:4711/cb', 'this computer (127.0.0.1:4711)', false],
  ['http://[::1]/cb', 'this computer ([::1])', false],
  ['http://localhost:3/cb', 'this computer (localhost:3)', false],
  ['com.example.app:/cb', 'an app on this device (com.example.app)', false],
  ['?', 'an unknown address', false],
];

test('the destination of a redirect URI is described', (t) => {
  for (const [redirectUri, text, isSite] of places) t.deepEqual(destinationOf(redirectUri), { text, isSite });
});

test('printed text is escaped and cannot change the text direction', (t) => {
  t.is(
    escapeHtml(`<a href="x" title='y'>&\u202e\u2066\u200f`),
    '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;',
  );
  t.deepEqual([undefined, null, 0, false].map(escapeHtml), ['', '', '0', 'false']);
});

test('only known codes are flash messages', (t) => {
  t.true(isFlashCode('session_ended'));
  for (const value of ['toString', '__proto__', '', 'Send your password to …', 1, null])
    t.false(isFlashCode(value));
});
