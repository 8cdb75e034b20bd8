// How the sessions of a bench are opened before it measures: by password, with a proof of DPoP, or by pages.
import { createHash, type JsonWebKey, randomBytes } from 'node:crypto';
import { openUserAgent, type Page, type UserAgent } from '../../test/helpers/user_agent.ts';
import { createProver, newProofKey } from '../generator/dpop.ts';
import { WrongAnswer } from '../generator/index.ts';
import type { RefreshLoad } from '../generator/refresh.ts';
import { client_id, connections, password, redirect_uri, usernames, web } from './parties.ts';

export interface Tokens {
  access_token: string;
  refresh_token: string;
}

/** What a login asks for beside the defaults. */
export interface Wanted {
  scope?: string;
  resource?: string;
  client?: { client_id: string; client_secret: string };
  proof_key?: JsonWebKey;
}

/** Logs a user in by the password grant. */
export async function logIn(
  { url }: { url: string },
  username: string,
  { client, proof_key, ...wanted }: Wanted = {},
): Promise<Tokens> {
  const form: Record<string, string> = { grant_type: 'password', username, password, ...wanted };
  if (!client) form.client_id = client_id;
  const headers = {
    ...(client ? { authorization: basicOf(client) } : {}),
    ...(proof_key ? { dpop: createProver(proof_key, `${url}/token`)() } : {}),
  };
  return await askForTokens(url, form, headers);
}

/** The load in which each of 16 connections refreshes a session of its own. */
export async function refreshLoad(
  { url, tokens }: { url: string; tokens: RefreshLoad['tokens'] },
  more: Partial<RefreshLoad> = {},
  wanted: Wanted = {},
): Promise<RefreshLoad> {
  const first: string[] = [];
  for (const username of usernames()) first.push((await logIn({ url }, username, wanted)).refresh_token);
  return { kind: 'refresh', url, tokens, first, ...(wanted.client ?? { client_id }), ...more };
}

/** The same with tokens that are bound to a key of each chain. */
export async function boundLoad(peer: { url: string; tokens: RefreshLoad['tokens'] }): Promise<RefreshLoad> {
  const proof_keys = Array.from({ length: connections }, newProofKey);
  const first: string[] = [];
  for (const [index, username] of usernames().entries()) {
    const proof_key = proof_keys[index];
    if (proof_key) first.push((await logIn(peer, username, { proof_key })).refresh_token);
  }
  return { kind: 'refresh', url: peer.url, tokens: peer.tokens, client_id, first, proof_keys };
}

/** The same of a third-party client, whose users logged in by pages. Its access tokens are for userinfo, so opaque. */
export async function thirdPartyLoad({ url }: { url: string }, scope: string): Promise<RefreshLoad> {
  const first: string[] = [];
  for (const username of usernames()) first.push((await logInByPages(url, username, scope)).refresh_token);
  return { kind: 'refresh', url, tokens: 'kindred', first, ...web, answer: ['id_token', 'opaque'] };
}

/** Logs a user in by pages and exchanges the code. */
async function logInByPages(url: string, username: string, scope: string): Promise<Tokens> {
  const code_verifier = randomBytes(32).toString('base64url');
  const asked = new URLSearchParams({
    client_id: web.client_id,
    redirect_uri,
    response_type: 'code',
    scope,
    prompt: 'consent',
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const browser = openUserAgent(url);
  let page = await browser.open(`${url}/authorize?${asked}`);
  page = await submitIfShown(browser, page, '/login', { username, password });
  page = await submitIfShown(browser, page, '/consent', { decision: 'allow' });
  const code = page.location && new URL(page.location).searchParams.get('code');
  if (!code) throw new WrongAnswer(`a login by pages ended at ${page.url} with ${page.status}: ${page.text}`);
  const form = { grant_type: 'authorization_code', code, redirect_uri, code_verifier };
  return await askForTokens(url, form, { authorization: basicOf(web) });
}

async function submitIfShown(
  browser: UserAgent,
  page: Page,
  action: string,
  fields: Record<string, string>,
): Promise<Page> {
  const isShown = page.forms.some((form) => form.action.endsWith(action));
  return isShown ? await browser.submit(page, action, fields) : page;
}

async function askForTokens(
  url: string,
  form: Record<string, string>,
  headers: Record<string, string>,
): Promise<Tokens> {
  const response = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams(form), headers });
  const answer = await response.text();
  if (response.status !== 200) throw new WrongAnswer(`a login was answered ${response.status}: ${answer}`);
  return JSON.parse(answer);
}

function basicOf(client: { client_id: string; client_secret: string }): string {
  return `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`;
}
