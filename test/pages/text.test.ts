// Names and URLs from others, as pages show them.
import test from 'ava';
import { destinationOf, escapeHtml, monogram, shorten, webUrl } from '../../src/pages/text.ts';

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
