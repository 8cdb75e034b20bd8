import test from 'ava';
import {
  type BarEnd,
  type Ending,
  type Entry,
  findContradictions,
  type Introspection,
  type Login,
  type Refresh,
  type Violation,
} from './history.ts';

const rules = { window: (session: string) => (session.startsWith('strict') ? 0 : 60_000), lifetime: 10_000 };

const span = (begin: number, end = begin + 10) => ({ begin, end });
const login = (begin: number, given: Partial<Login> = {}): Login => ({
  ...{ kind: 'login', user: 'u', session: 's', ...span(begin) },
  ...given,
});
const use = (begin: number, presented: number, given: Partial<Refresh> = {}): Refresh => ({
  ...{ kind: 'refresh', session: 's', presented, outcome: 'ok', ...span(begin) },
  ...{ generation: presented + 1, token: `t${presented + 1}` },
  ...given,
});
const refused = (begin: number, presented: number, given: Partial<Refresh> = {}): Refresh => ({
  ...{ kind: 'refresh', session: 's', presented, outcome: 'refused', ...span(begin) },
  ...given,
});
const seen = (begin: number, issued: number, given: Partial<Introspection> = {}): Introspection => ({
  ...{ kind: 'introspection', session: 's', outcome: 'active', issued: span(issued), ...span(begin) },
  ...given,
});
const ending = (begin: number, given: Partial<Ending> = {}): Ending => ({
  ...{ kind: 'ending', outcome: 'ok', ...span(begin) },
  ...given,
});
const unbarring = (begin: number, given: Partial<BarEnd> = {}): BarEnd => ({
  ...{ kind: 'unbarring', user: 'u', ...span(begin) },
  ...given,
});
const inactive = { outcome: 'inactive' } as const;
const ban = { user: 'u', bars: true };
const withdrawal = { user: 'u', client: 'c', bars: true };
const signOut = { user: 'u', browser: 'b', bars: true };
const web = { client: 'c', browser: 'b' };

const good: Record<string, Entry[]> = {
  'a life': [
    login(0),
    use(100, 0),
    seen(150, 100),
    use(200, 1),
    ending(300, { session: 's' }),
    refused(400, 2),
  ],
  'a lost answer': [login(0), use(100, 0, { outcome: 'unknown' }), use(200, 0), use(300, 1)],
  'two tabs': [login(0), use(100, 0), use(105, 0), use(200, 1)],
  'an old token while its successor is being used': [
    ...[login(0), use(100, 0), use(200, 1, span(200, 300)), use(210, 0)],
  ],
  'an end that is under way may have come already, or not yet': [
    ...[login(0), ending(100, { session: 's', ...span(100, 300) })],
    ...[use(150, 0), refused(160, 1), seen(250, 150), seen(255, 150, inactive)],
  ],
  'an end that was never answered': [login(0), ending(100, { ...ban, outcome: 'unknown' }), refused(200, 0)],
  'reuse and what follows': [
    ...[login(0), use(100, 0), use(200, 1), refused(300, 0, { outcome: 'reused' })],
    ...[refused(400, 2), seen(450, 200, inactive)],
  ],
  'a strict pair at once': [
    ...[login(0, { session: 'strict' }), use(100, 0, { session: 'strict' })],
    ...[refused(105, 0, { session: 'strict', outcome: 'reused' })],
  ],
  'the reuse of another session ages tokens, and a refresh heals': [
    ...[login(0), login(0, { session: 'strict' }), use(20, 0), use(50, 0, { session: 'strict' })],
    ...[refused(100, 0, { session: 'strict', outcome: 'reused' })],
    ...[seen(200, 20, inactive), use(300, 1), seen(400, 300)],
  ],
  'a token at its end': [login(0), seen(9_000, 0), seen(11_000, 0), seen(9_500, 0, inactive)],
  'a password change keeps the session that made it': [
    ...[login(0), login(0, { session: 'own' }), ending(100, { user: 'u', except: 'own' })],
    ...[refused(200, 0), use(200, 0, { session: 'own' })],
  ],
  'a ban, its end, and a new login': [
    ...[login(0), ending(100, ban), refused(200, 0), unbarring(300)],
    ...[login(400, { session: 'new' }), use(500, 0, { session: 'new' }), seen(600, 500, { session: 'new' })],
  ],
  'a login that outlasts a ban and its end': [
    login(50, span(50, 500)),
    ending(100, ban),
    unbarring(300),
    use(600, 0),
  ],
  'a withdrawn consent leaves the sessions of other clients': [
    ...[login(0, web), login(0, { session: 'other', client: 'd' }), ending(100, withdrawal), refused(200, 0)],
    use(200, 0, { session: 'other' }),
  ],
  'a login behind a new consent': [
    ...[ending(100, withdrawal), unbarring(150, { client: 'c' }), login(200, web), use(300, 0)],
  ],
  'signing out of a browser leaves other browsers': [
    ...[login(0, web), login(0, { session: 'other', browser: 'a' }), ending(100, signOut), refused(200, 0)],
    use(200, 0, { session: 'other' }),
  ],
  'a login behind a logout everywhere': [
    ...[ending(100, { user: 'u', ...span(100, 300) }), login(150), use(400, 0)],
  ],
};

for (const [title, entries] of Object.entries(good)) {
  test(`no contradiction: ${title}`, (t) => {
    t.deepEqual(findContradictions(entries, rules), []);
  });
}

/** Each with the index of the entry that contradicts. */
const bad: [violation: Violation, title: string, entries: Entry[], at: number][] = [
  [
    'active after its end',
    'a refresh after a logout',
    [login(0), ending(100, { session: 's' }), use(111, 0)],
    2,
  ],
  ['active after its end', 'a token after a ban', [login(0), ending(100, ban), seen(111, 0)], 2],
  ['active after its end', 'a login in flight survives a ban', [ending(100, ban), login(95), use(200, 0)], 2],
  [
    'active after its end',
    'a code in flight survives the withdrawal of the consent',
    [ending(100, withdrawal), login(95, { ...web, ...span(95, 150) }), use(200, 0)],
    2,
  ],
  [
    'active after its end',
    'a code in flight survives the end of its browser session',
    [ending(100, signOut), login(95, { ...web, ...span(95, 150) }), use(200, 0)],
    2,
  ],
  [
    'logged in while barred',
    'a login without a consent',
    [ending(100, withdrawal), unbarring(120), login(200, web)],
    2,
  ],
  [
    'active after its end',
    'a refresh after reuse',
    [login(0), use(50, 0), use(80, 1), refused(100, 0, { outcome: 'reused' }), use(200, 2)],
    4,
  ],
  ['logged in while barred', 'a login after a ban', [ending(100, ban), login(200)], 1],
  ['refused without a cause', 'nothing had happened', [login(0), refused(100, 0)], 1],
  ['refused without a cause', 'before the end began', [login(0), refused(50, 0), ending(100, ban)], 1],
  [
    'refused without a cause',
    'another session was meant',
    [login(0), ending(50, { session: 'other' }), refused(100, 0)],
    2,
  ],
  [
    'refused without a cause',
    'a ban that was over before the login',
    [ending(0, ban), unbarring(50), login(100), refused(200, 0)],
    3,
  ],
  ['inactive without a cause', 'a fresh token', [login(0), seen(100, 0, inactive)], 1],
  [
    'inactive without a cause',
    'a token that was issued after the password had changed',
    [login(0), ending(100, { user: 'u', except: 's' }), use(200, 0), seen(300, 200, inactive)],
    3,
  ],
  ['active after its expiry', 'long after', [login(0), seen(12_500, 0)], 1],
  ['forked', 'two tokens of one generation', [login(0), use(100, 0), use(200, 0, { token: 'other' })], 1],
  ['wrong successor', 'a generation is left out', [login(0), use(100, 0, { generation: 2 })], 1],
  [
    'went back',
    'a predecessor after its successor was used',
    [login(0), use(100, 0), use(200, 1), use(300, 0)],
    3,
  ],
  [
    'retried too late',
    'a strict token twice',
    [login(0, { session: 'strict' }), use(50, 0, { session: 'strict' }), use(100, 0, { session: 'strict' })],
    2,
  ],
  ['retried too late', 'the window is over', [login(0), use(100, 0), use(60_200, 0)], 2],
  ['treated as reuse without a cause', 'a first use', [login(0), refused(100, 0, { outcome: 'reused' })], 1],
  [
    'treated as reuse without a cause',
    'a retry in its window',
    [login(0), use(50, 0), refused(100, 0, { outcome: 'reused' })],
    2,
  ],
];

for (const [violation, title, entries, at] of bad) {
  test(`${violation}: ${title}`, (t) => {
    const found = findContradictions(entries, rules);
    t.true(
      found.some((one) => one.violation === violation && one.entry === entries[at]),
      JSON.stringify(found),
    );
    t.true(found.every((one) => one.violation === violation || one.because !== undefined));
  });
}

test('every kind of contradiction has its example', (t) => {
  const all: Record<Violation, true> = {
    'logged in while barred': true,
    'active after its end': true,
    'refused without a cause': true,
    'inactive without a cause': true,
    'active after its expiry': true,
    forked: true,
    'wrong successor': true,
    'went back': true,
    'retried too late': true,
    'treated as reuse without a cause': true,
  };
  t.deepEqual([...new Set(bad.map(([violation]) => violation))].toSorted(), Object.keys(all).toSorted());
});
