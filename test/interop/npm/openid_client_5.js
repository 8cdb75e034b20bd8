// A web app with openid-client 5, as its README shows it. It verifies ID tokens with RS256 unless told otherwise.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { generators, Issuer } from 'openid-client-5';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, APP, PORT } = process.env;
const issuer = await Issuer.discover(ISSUER);
const client = new issuer.Client({
  client_id: CLIENT_ID,
  client_secret: CLIENT_SECRET,
  redirect_uris: [`${APP}/callback`],
  response_types: ['code'],
});
const visits = new Map();
const app = express();
const visitOf = (request) => /visit=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';

app.get('/login', (_request, response) => {
  const state = randomUUID();
  const code_verifier = generators.codeVerifier();
  visits.set(state, { code_verifier });
  const code_challenge = generators.codeChallenge(code_verifier);
  const scope = 'openid profile email offline_access';
  response.redirect(client.authorizationUrl({ scope, state, code_challenge, code_challenge_method: 'S256' }));
});

app.get('/callback', async (request, response) => {
  const params = client.callbackParams(request);
  const checks = { state: params.state, code_verifier: visits.get(params.state)?.code_verifier };
  visits.set(params.state, { tokens: await client.callback(`${APP}/callback`, params, checks) });
  response.setHeader('Set-Cookie', `visit=${params.state}; Path=/; HttpOnly`).redirect('/');
});

app.get('/', async (request, response) => {
  const visit = visits.get(visitOf(request));
  if (!visit) return response.redirect('/login');
  if (visit.tokens.expired()) visit.tokens = await client.refresh(visit.tokens);
  const profile = await client.userinfo(visit.tokens);
  response.json({ user: visit.tokens.claims(), profile });
});

app.get('/logout', async (request, response) => {
  const visit = visits.get(visitOf(request));
  visits.delete(visitOf(request));
  await client.revoke(visit.tokens.refresh_token, 'refresh_token');
  const id_token_hint = visit.tokens.id_token;
  response.redirect(client.endSessionUrl({ id_token_hint, post_logout_redirect_uri: `${APP}/` }));
});

app.listen(PORT, '127.0.0.1');
