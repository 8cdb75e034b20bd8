// docs/connect/kubernetes.md: the authenticator of kube-apiserver on ID tokens that kubelogin's parameters bring.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import * as oidc from 'openid-client';
import { openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { example, layOut, readClient } from '../harness/pages.ts';
import { goTool, testWith } from '../harness/tools.ts';

const test = testWith(goTool(import.meta.dirname, ['main.go']));
const getKindred = useKindred();

/** The page with the client that it registers. */
async function setUp(t: ExecutionContext, folder: string) {
  const kindred = await getKindred();
  const values = { [example.issuer]: kindred.issuer };
  const { client_id } = await kindred.createClient(await readClient('kubernetes', values));
  const config = await oidc.discovery(new URL(kindred.issuer), client_id, undefined, oidc.None());
  const cwd = await layOut(t, 'kubernetes', folder, values);
  // One line of JSON for each token.
  const judge = async (tokens: string[]) => {
    const child = spawn(join(folder, 'bin/kubernetes'), ['authentication.yaml'], {
      cwd,
      env: { ...process.env, ...kindred.trust },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(`${tokens.join('\n')}\n`);
    const lines = (await text(child.stdout)).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const command = await readFile(join(cwd, 'kubelogin.sh'), 'utf8');
  const scopes = [...command.matchAll(/--oidc-extra-scope=(\S+)/g)].map(([, one]) => one);
  const asked = {
    client_id: /--oidc-client-id=(\S+)/.exec(command)?.[1],
    scope: ['openid', ...scopes].join(' '),
  };
  t.deepEqual(asked, { client_id, scope: 'openid profile roles offline_access' });
  return { kindred, client_id, scope: asked.scope, config, judge };
}

test('the API server of Kubernetes knows user and groups, also after a refresh', async (t, folder) => {
  const { kindred, client_id, scope, config, judge } = await setUp(t, folder);
  const where = { redirect_uri: 'http://localhost:8000' };
  const verifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    ...where,
    scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const person = await kindred.createUser(['--role', 'operators']);
  const back = await openBrowser().logInTo(where.redirect_uri, url.href, person);
  // openid-client would send the address with a slash at its end, which is another one.
  const form = { ...where, grant_type: 'authorization_code', code_verifier: verifier, client_id };
  const body = new URLSearchParams({ ...form, code: back.searchParams.get('code') ?? '' });
  const answer = await fetch(`${kindred.issuer}/token`, { method: 'POST', body });
  const tokens = (await answer.json()) as Record<string, string>;
  const refreshed = await oidc.refreshTokenGrant(config, String(tokens.refresh_token));
  const known = { username: person.username, groups: ['kindred:operators'] };
  const given = [tokens.id_token, refreshed.id_token, tokens.access_token].map(String);
  const [first, second, third] = await judge(given);
  t.deepEqual([first, second], [known, known]);
  t.is(typeof third?.error, 'string', 'an access token is no ID token');
});
