// The steps of the demo, as a first-party app and an API would take them: only HTTP requests.
import { demo } from '../process/demo_data.ts';
import { type Answer, type Json, type Narrator, type Request, StoryFailed, shorten } from './narrator.ts';

interface Tokens {
  access_token: string;
  refresh_token: string;
  session_id: string;
}

interface Stage {
  narrator: Narrator;
  /** Sends a request and prints it with these members of its answer. */
  ask: (request: Request, ...members: string[]) => Promise<Answer>;
}

/** Runs the whole story; throws if a step has another result. */
export async function runStory(issuer: string, narrator: Narrator): Promise<void> {
  const stage: Stage = {
    narrator,
    async ask(request, ...members) {
      const answer = await send(issuer, request);
      narrator.exchange(request, answer, members);
      return answer;
    },
  };
  narrator.title(
    'Kindred: what happens to a stolen refresh token',
    `A temporary server at ${issuer}, with an SQLite file in a temporary folder; both are removed at the end.`,
  );
  const { laptop, phone } = await logInTwice(stage);
  await introspectBoth(stage, laptop, phone);
  const refreshed = await refreshLaptop(stage, laptop);
  await reuseOldToken(stage, laptop, refreshed);
  const going = await continueWithPhone(stage, phone);
  await listSessions(stage, going, laptop);
  await logOutEverywhere(stage, going);
  narrator.title('That is the story.', 'docs/tokens.md explains each step.', '');
}

async function logInTwice(stage: Stage): Promise<{ laptop: Tokens; phone: Tokens }> {
  stage.narrator.step('Two devices log in with the same password');
  const laptop = await logIn(stage, 'laptop');
  const phone = await logIn(stage, 'phone');
  stage.narrator.tick(
    laptop.session_id !== phone.session_id,
    'two sessions, each a family of refresh tokens',
  );
  return { laptop, phone };
}

async function introspectBoth(stage: Stage, laptop: Tokens, phone: Tokens): Promise<void> {
  stage.narrator.step('An API asks whether their access tokens are active');
  await expectActive(stage, laptop, true, "the laptop's access token is active");
  await expectActive(stage, phone, true, "so is the phone's");
}

async function refreshLaptop(stage: Stage, laptop: Tokens): Promise<Tokens> {
  stage.narrator.step('The laptop refreshes');
  const answer = await refresh(stage, laptop.refresh_token);
  const fresh = tokensOf(answer);
  const { tick } = stage.narrator;
  tick(fresh.refresh_token !== laptop.refresh_token, 'a new refresh token; the old one is used up');
  tick(fresh.session_id === laptop.session_id, 'the same session');
  return fresh;
}

async function reuseOldToken(stage: Stage, laptop: Tokens, refreshed: Tokens): Promise<void> {
  const { step, remark, tick } = stage.narrator;
  step('A thief who copied the first refresh token presents it');
  const theft = await refresh(stage, laptop.refresh_token);
  tick(theft.status === 400 && theft.body.reason === 'token_reused', 'refused, and recognized as reuse');
  remark('The server cannot tell the thief from the owner, so the whole family ends:');
  const owner = await refresh(stage, refreshed.refresh_token);
  tick(owner.body.reason === 'session_ended', "the laptop's newest refresh token is refused as well");
  await expectActive(stage, refreshed, false, 'and so is its access token, before it expires');
}

async function continueWithPhone(stage: Stage, phone: Tokens): Promise<Tokens> {
  const { step, remark, tick } = stage.narrator;
  step('The phone continues');
  remark(
    'Reuse is an alarm: it makes all outstanding access tokens of the user inactive, but does not end other sessions.',
  );
  await expectActive(stage, phone, false, "the phone's access token is inactive");
  const fresh = tokensOf(await refresh(stage, phone.refresh_token));
  tick(fresh.session_id === phone.session_id, 'its session is live: one refresh, no password');
  await expectActive(stage, fresh, true, 'and its new access token is active');
  return fresh;
}

async function listSessions(stage: Stage, phone: Tokens, laptop: Tokens): Promise<void> {
  const { step, remark, tick } = stage.narrator;
  step('The user looks at the list of sessions');
  const { body } = await stage.ask({ method: 'GET', path: '/api/sessions', token: phone.access_token });
  const sessions = body.sessions as { id: string; device: Json; last_used_at: string; is_current: boolean }[];
  for (const one of sessions) {
    remark(`  ${shorten('id', one.id)}  ${one.device.name}${one.is_current ? '  (this device)' : ''}`);
  }
  tick(sessions.length === 1 && sessions[0]?.id === phone.session_id, 'only the phone is left');
  const path = `/api/sessions/${laptop.session_id}`;
  const story = await stage.ask(
    { method: 'GET', path, token: phone.access_token },
    'ended_reason',
    'ended_by',
    'generation',
  );
  tick(story.body.ended_reason === 'reuse_detected', "the laptop's session says why it ended");
}

async function logOutEverywhere(stage: Stage, phone: Tokens): Promise<void> {
  const { step, tick } = stage.narrator;
  step('The laptop logs in again, and then the user logs out everywhere');
  const laptop = await logIn(stage, 'laptop');
  const json = { logout_all: true };
  const request: Request = { method: 'POST', path: '/api/logout', json, token: phone.access_token };
  const { body } = await stage.ask(request, 'sessions_ended');
  tick(body.sessions_ended === 2, 'two sessions ended');
  for (const tokens of [phone, laptop]) {
    const refused = await refresh(stage, tokens.refresh_token);
    tick(refused.body.reason === 'session_ended', 'its refresh token is refused');
    await expectActive(stage, tokens, false, 'and its access token is inactive');
  }
}

async function logIn(stage: Stage, device: string): Promise<Tokens> {
  const { username, password, app } = demo;
  const form = {
    grant_type: 'password',
    client_id: app,
    username,
    password,
    device_id: device,
    device_name: device,
  };
  const request: Request = { method: 'POST', path: '/token', form };
  return tokensOf(await stage.ask(request, 'session_id', 'refresh_token', 'device_secret'));
}

async function refresh(stage: Stage, refresh_token: string): Promise<Answer> {
  const form = { grant_type: 'refresh_token', client_id: demo.app, refresh_token };
  return await stage.ask({ method: 'POST', path: '/token', form }, 'session_id', 'refresh_token');
}

async function expectActive(stage: Stage, tokens: Tokens, isActive: boolean, claim: string): Promise<void> {
  const form = { token: tokens.access_token };
  const request: Request = { method: 'POST', path: '/introspect', form, client: demo.api };
  const { status, body } = await stage.ask(request, 'active', 'scope', 'sid');
  stage.narrator.tick(status === 200 && body.active === isActive, claim);
}

function tokensOf({ status, body }: Answer): Tokens {
  if (status !== 200) throw new StoryFailed('expected tokens');
  const { access_token, refresh_token, session_id } = body;
  return {
    access_token: String(access_token),
    refresh_token: String(refresh_token),
    session_id: String(session_id),
  };
}

async function send(issuer: string, { method, path, form, json, token, client }: Request): Promise<Answer> {
  const basic = client && Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  const response = await fetch(issuer + path, {
    method,
    headers: {
      ...(basic ? { authorization: `Basic ${basic}` } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(json ? { 'content-type': 'application/json' } : {}),
    },
    ...(form ? { body: new URLSearchParams(form) } : {}),
    ...(json ? { body: JSON.stringify(json) } : {}),
  });
  return { status: response.status, body: (await response.json()) as Json };
}
