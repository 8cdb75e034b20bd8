// The login page of an authorization request.

import { findUser } from '../../core/users/users.ts';
import { type LoginProblem, renderLogin } from '../../pages/login.ts';
import { clientRow } from '../request/context.ts';
import { passwordAcr } from '../request/login.ts';
import { field } from './form.ts';
import { redirectUriOf, resumeInteraction, shown, target, type Visit } from './interaction_request.ts';
import { brandOf, sendPage } from './page_response.ts';
import { attemptPassword, statusOf } from './password_attempt.ts';

export async function sendLoginPage(visited: Visit, problem?: LoginProblem, typed?: string): Promise<void> {
  const { deps, ctx, interaction, client } = visited;
  const signedIn = interaction.session?.accountId;
  const known = signedIn ? (await findUser(deps.db, signedIn))?.username : undefined;
  const hint = typed ?? interaction.params.login_hint ?? known;
  const html = renderLogin(brandOf(deps), {
    form: target(visited, 'login'),
    cancel: target(visited, 'cancel'),
    client: {
      name: client.clientName ?? client.clientId,
      redirectUri: redirectUriOf(interaction),
      isVerified: clientRow(client).registered_by === 'admin',
    },
    isAgain: signedIn !== undefined && !interaction.prompt.reasons.includes('user_inactive'),
    ...(typeof hint === 'string' ? { username: hint.slice(0, 254) } : {}),
    ...(problem ? { problem } : {}),
  });
  sendPage(deps, ctx, html, { ...shown(visited), status: statusOf(problem) });
}

export async function logIn(visited: Visit): Promise<void> {
  const { deps, ctx, client } = visited;
  const login = field(ctx, 'username');
  const tried = await attemptPassword(deps, ctx, {
    login,
    password: field(ctx, 'password'),
    client_id: client.clientId,
  });
  if ('problem' in tried) return await sendLoginPage(visited, tried.problem, login);
  const { user_id: accountId, proof, epoch } = tried;
  // The moment of the proof and not that of the last page: a consent page may be open for an hour.
  const ts = Math.floor(Date.now() / 1000);
  await resumeInteraction(visited, {
    login: { accountId, proof, epoch, acr: passwordAcr, amr: ['pwd'], ts },
  });
}
