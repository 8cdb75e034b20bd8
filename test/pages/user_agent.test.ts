// User agents as pages describe them.
import test from 'ava';
import { describeUserAgent, deviceKind } from '../../src/pages/user_agent.ts';

const userAgents: [userAgent: string | null, description: string, kind: string][] = [
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

for (const [userAgent, description, kind] of userAgents) {
  test(`"${userAgent}" is described as ${description}`, (t) => {
    t.is(describeUserAgent(userAgent), description);
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
  // It takes a few milliseconds of CPU time; with quadratic time it would take half a minute.
  t.true((user + system) / 1000 < 1_000);
});
