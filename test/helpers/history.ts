// Checks a recorded history of requests and answers against a model: a session, its generation, ended or not. Each request
// took effect at some moment between its begin and its end; a contradiction is a history that no such moments explain.

/** The begin of a request and the arrival of its answer, in milliseconds of one clock. */
export interface Span {
  begin: number;
  end: number;
}

export interface Login extends Span {
  kind: 'login';
  user: string;
  session: string;
  /** The third-party client and the browser of the login; absent for a password grant. */
  client?: string;
  browser?: string;
}

export interface Refresh extends Span {
  kind: 'refresh';
  session: string;
  /** The generation of the presented token. */
  presented: number;
  /** `unknown` when no answer came. */
  outcome: 'ok' | 'reused' | 'refused' | 'unknown';
  /** The generation of the issued token, and the token itself. */
  generation?: number;
  token?: string;
}

export interface Introspection extends Span {
  kind: 'introspection';
  session: string;
  outcome: 'active' | 'inactive';
  /** The request and the issue of the access token. */
  issued: Span;
}

/**
 * An ending: of one session, of all sessions of a user but `except`, or of those of a user through a client or in a browser.
 * With `bars` it also refuses logins in progress.
 */
export interface Ending extends Span {
  kind: 'ending';
  user?: string;
  client?: string;
  browser?: string;
  session?: string;
  except?: string;
  bars?: boolean;
  outcome: 'ok' | 'unknown';
}

/** The end of a bar: the user may log in again; with `client`, through this client, after a new consent. */
export interface BarEnd extends Span {
  kind: 'unbarring';
  user: string;
  client?: string;
}

export type Entry = Login | Refresh | Introspection | Ending | BarEnd;

export interface Rules {
  /** The retry window of a session's client, in milliseconds. */
  window: (session: string) => number;
  /** The lifetime of an access token, in milliseconds. */
  lifetime: number;
}

export type Violation =
  | 'logged in while barred'
  | 'active after its end'
  | 'refused without a cause'
  | 'inactive without a cause'
  | 'active after its expiry'
  | 'forked'
  | 'wrong successor'
  | 'went back'
  | 'retried too late'
  | 'treated as reuse without a cause';

export interface Contradiction {
  violation: Violation;
  entry: Entry;
  /** The entries that it contradicts. */
  because?: Entry;
}

/** Tolerance of expiry in milliseconds, for whole seconds in tokens and small differences of clocks. */
const grain = 2_000;

/** All contradictions of the history. */
export function findContradictions(entries: readonly Entry[], rules: Rules): Contradiction[] {
  const logins = entries.filter((one) => one.kind === 'login');
  return logins.flatMap((login) => [
    ...judgeLogin(login, entries),
    ...judgeSession(storyOf(login, entries), rules),
  ]);
}

function judgeLogin(entry: Login, entries: readonly Entry[]): Contradiction[] {
  const because = entries.find(
    (one) =>
      one.kind === 'ending' &&
      one.user !== undefined &&
      concerns(one, entry) &&
      bars(one) &&
      one.end < entry.begin &&
      !wasLifted(one, entry, entries),
  );
  return because ? [{ violation: 'logged in while barred', entry, because }] : [];
}

function bars(ending: Ending): boolean {
  return ending.bars === true && ending.outcome === 'ok';
}

/** Whether the bar may have been lifted before the login was answered. */
function wasLifted(ending: Ending, login: Login, entries: readonly Entry[]): boolean {
  return entries.some(
    (one) =>
      one.kind === 'unbarring' &&
      one.user === login.user &&
      one.client === ending.client &&
      one.end > ending.begin &&
      one.begin < login.end,
  );
}

/** One session: its requests, and the endings that may have ended it. */
interface Story {
  login: Login;
  refreshes: Refresh[];
  introspections: Introspection[];
  /** The endings that certainly ended it once they were answered. */
  ends: (Ending | Refresh)[];
  /** The endings that may have ended it. */
  mayEnd: (Ending | Refresh)[];
  /** The endings that make access tokens of the user inactive without ending this session: reuse elsewhere, a new password. */
  mayAge: (Ending | Refresh)[];
}

function storyOf(login: Login, entries: readonly Entry[]): Story {
  const own = entries.filter((one) => 'session' in one && one.session === login.session);
  const refreshes = own.filter((one) => one.kind === 'refresh');
  const introspections = own.filter((one) => one.kind === 'introspection');
  const endings = entries.filter((one) => one.kind === 'ending');
  const reuses = refreshes.filter((one) => one.outcome === 'reused');
  const mine = new Set(
    entries
      .filter((one) => one.kind === 'login' && one.user === login.user)
      .map((one) => (one as Login).session),
  );
  const stale = entries.filter(
    (one) => one.kind === 'refresh' && mine.has(one.session) && isStale(one),
  ) as Refresh[];
  return {
    login,
    refreshes,
    introspections,
    ends: [...endings.filter((one) => certainlyEnds(one, login, entries)), ...reuses],
    mayEnd: [
      ...endings.filter((one) => concerns(one, login) && one.except !== login.session),
      ...refreshes.filter(isStale),
    ],
    mayAge: [...endings.filter((one) => one.user === login.user), ...stale],
  };
}

function isStale(one: Refresh): boolean {
  return one.outcome === 'reused' || one.outcome === 'unknown';
}

function concerns(ending: Ending, login: Login): boolean {
  if (ending.session !== undefined) return ending.session === login.session;
  const isThere = (what: 'client' | 'browser') => ending[what] === undefined || ending[what] === login[what];
  return ending.user === login.user && isThere('client') && isThere('browser');
}

function certainlyEnds(ending: Ending, login: Login, entries: readonly Entry[]): boolean {
  if (ending.outcome !== 'ok' || !concerns(ending, login) || ending.except === login.session) return false;
  if (login.end < ending.begin) return true;
  // A login in progress is refused too, unless the bar was lifted before its answer.
  return bars(ending) && login.begin < ending.end && !wasLifted(ending, login, entries);
}

function judgeSession(story: Story, rules: Rules): Contradiction[] {
  return [
    ...story.refreshes.flatMap((one) => judgeRefresh(story, one, rules)),
    ...story.introspections.flatMap((one) => judgeIntrospection(story, one, rules)),
  ];
}

function judgeRefresh(story: Story, entry: Refresh, rules: Rules): Contradiction[] {
  if (entry.outcome === 'ok') return [...judgeLife(story, entry), ...judgeSuccessor(story, entry, rules)];
  if (entry.outcome === 'reused') return judgePunishment(story, entry, rules);
  if (entry.outcome === 'unknown') return [];
  const hasCause = story.mayEnd.some((one) => one.begin < entry.end && one.end > story.login.begin);
  return hasCause ? [] : [{ violation: 'refused without a cause', entry }];
}

function judgeLife(story: Story, entry: Refresh | Introspection): Contradiction[] {
  const because = story.ends.find((one) => one !== entry && one.end < entry.begin);
  return because ? [{ violation: 'active after its end', entry, because }] : [];
}

function judgeSuccessor(story: Story, entry: Refresh, rules: Rules): Contradiction[] {
  if (entry.generation !== entry.presented + 1) return [{ violation: 'wrong successor', entry }];
  const answered = story.refreshes.filter((one) => one.outcome === 'ok' && one !== entry);
  const twin = answered.find((one) => one.generation === entry.generation && one.token !== entry.token);
  if (twin) return [{ violation: 'forked', entry, because: twin }];
  const before = answered.filter((one) => one.end < entry.begin);
  // A token that was used after its successor: the family would have two ends.
  const further = before.find((one) => one.presented > entry.presented);
  if (further) return [{ violation: 'went back', entry, because: further }];
  const window = rules.window(story.login.session);
  const rotated = before.find((one) => one.presented === entry.presented && one.end + window < entry.begin);
  return rotated ? [{ violation: 'retried too late', entry, because: rotated }] : [];
}

// Reuse is a used token that comes back after its successor was used, or after the retry window.
function judgePunishment(story: Story, entry: Refresh, rules: Rules): Contradiction[] {
  const window = rules.window(story.login.session);
  const others = story.refreshes.filter((one) => one !== entry && one.begin < entry.end);
  const isFurther = others.some((one) => one.presented > entry.presented);
  const wasUsed = others.some((one) => one.presented === entry.presented && one.begin + window < entry.end);
  return isFurther || wasUsed ? [] : [{ violation: 'treated as reuse without a cause', entry }];
}

function judgeIntrospection(story: Story, entry: Introspection, rules: Rules): Contradiction[] {
  const { issued, outcome } = entry;
  if (outcome === 'active') {
    const isOver = entry.begin > issued.end + rules.lifetime + grain;
    return isOver ? [{ violation: 'active after its expiry', entry }] : judgeLife(story, entry);
  }
  const mayBeOver = entry.end > issued.begin + rules.lifetime - grain;
  const mayHaveEnded = story.mayEnd.some((one) => one.begin < entry.end && one.end > story.login.begin);
  // Tokens issued afterwards carry the new version.
  const mayHaveAged = story.mayAge.some((one) => one.begin < entry.end && one.end > issued.begin);
  if (mayBeOver || mayHaveEnded || mayHaveAged) return [];
  return [{ violation: 'inactive without a cause', entry }];
}
