// A single-page app that signs users in at Kindred with oidc-client-ts: code flow with PKCE, and refresh tokens. The
// tokens are in sessionStorage: a reload keeps them, closing the tab deletes them.
/* global oidc */
const { issuer, client_id } = await (await fetch('/settings.json')).json();
const home = `${location.origin}/`;
const manager = new oidc.UserManager({
  authority: issuer,
  client_id,
  redirect_uri: home,
  post_logout_redirect_uri: home,
  scope: 'openid profile email',
  loadUserInfo: true,
});

const at = (id) => document.getElementById(id);
let refreshes = 0;

async function show(problem) {
  const user = await manager.getUser();
  const name = user?.profile.preferred_username ?? user?.profile.sub;
  const state = user ? `Signed in as ${name}, refreshed ${refreshes} times.` : 'You are signed out.';
  at('said').textContent = [problem, state].filter(Boolean).join(' ');
  at('claims').textContent = user ? JSON.stringify(user.profile, null, 2) : '';
  at('in').hidden = Boolean(user);
  at('refresh').hidden = at('out').hidden = !user;
}

/** Handles the return from the issuer: finishes the login or the logout, and removes its parameters from the address. */
async function finishRedirect() {
  const parameters = new URLSearchParams(location.search);
  if (!parameters.has('state')) return;
  history.replaceState(null, '', home);
  const url = `${home}?${parameters}`;
  if (parameters.has('code') || parameters.has('error')) await manager.signinCallback(url);
  else await manager.signoutCallback(url);
}

at('in').addEventListener('click', () => manager.signinRedirect());
at('out').addEventListener('click', () => manager.signoutRedirect());
at('refresh').addEventListener('click', async () => {
  try {
    await manager.signinSilent();
    refreshes += 1;
    await show();
  } catch (error) {
    // The session has ended. After any other error (no network), the user can try again later.
    if (error.error === 'invalid_grant') await manager.removeUser();
    await show(error.message);
  }
});

await finishRedirect().then(
  () => show(),
  (error) => show(error.message),
);
