// The login page of an authorization request: shows it, and verifies the password that was entered.
import { displayName, findUser } from '../../core/users/users.ts';
import { type LoginProblem, renderLogin } from '../../pages/login.ts';
import { clientRow } from '../request/context.ts';
import { passwordAcr } from '../request/login.ts';
import { field } from './form.ts';
import {
  cspOptions,
  formTarget,
  type InteractionRequest,
  redirectUriOf,
  resumeInteraction,
} from './interaction_request.ts';
import { type NewPasswordPlace, sendNewPasswordPage, takeNewPassword } from './new_password.ts';
import { brandOf, sendPage } from './page_response.ts';
import { attemptPassword, type LoggedIn, loginStatus } from './password_attempt.ts';
import { forgotUrl, takeRecovered } from './recovery_login.ts';
import { signUpUrl } from './sign_up_link.ts';

/** Answers with the login page; `typed` is the name that the user entered before. */
export async function sendLoginPage(
  request: InteractionRequest,
  problem?: LoginProblem,
  typed?: string,
): Promise<void> {
  const { deps, ctx, interaction, client } = request;
  const signedIn = interaction.session?.accountId;
  const user = signedIn ? await findUser(deps.db, signedIn) : null;
  const known = user ? displayName(user) : undefined;
  const hint = typed ?? interaction.params.login_hint ?? known;
  const html = renderLogin(brandOf(deps), {
    form: formTarget(request, 'login'),
    cancel: formTarget(request, 'cancel'),
    client: {
      name: client.clientName ?? client.clientId,
      redirectUri: redirectUriOf(interaction),
      isVerified: clientRow(client).registered_by === 'admin',
    },
    isAgain: signedIn !== undefined && !interaction.prompt.reasons.includes('user_inactive'),
    ...(typeof hint === 'string' ? { username: hint.slice(0, 254) } : {}),
    ...(problem ? { problem } : {}),
    forgotUrl: forgotUrl(deps, interaction.uid),
    isRecovered: takeRecovered(deps, ctx),
    signUpUrl: signUpUrl(deps, interaction.uid),
  });
  sendPage(deps, ctx, html, { ...cspOptions(request), status: loginStatus(problem) });
}

/** Verifies the password and resumes the request. */
export async function logIn(request: InteractionRequest): Promise<void> {
  const { deps, ctx, client } = request;
  const login = field(ctx, 'username');
  const tried = await attemptPassword(deps, ctx, {
    login,
    password: field(ctx, 'password'),
    client_id: client.clientId,
  });
  if ('problem' in tried) {
    const { problem, replace } = tried;
    if (replace) return sendNewPasswordPage(deps, ctx, newPasswordPlace(request), replace);
    return await sendLoginPage(request, problem, login);
  }
  await resumeWith(request, tried);
}

/** Sets the password that replaces a generated one, and resumes the request. */
export async function setNewPassword(request: InteractionRequest): Promise<void> {
  const done = await takeNewPassword(request.deps, request.ctx, newPasswordPlace(request));
  if (done === 'expired') await sendLoginPage(request, { kind: 'form_expired' });
  else if (done) await resumeWith(request, done);
}

function newPasswordPlace(request: InteractionRequest): NewPasswordPlace {
  const { uid } = request.interaction;
  return {
    form: formTarget(request, 'new-password'),
    context: `interaction ${uid}`,
    csp: cspOptions(request),
    client_id: request.client.clientId,
  };
}

async function resumeWith(
  request: InteractionRequest,
  { user_id: accountId, proof, epoch }: LoggedIn,
): Promise<void> {
  // The time of the login, not of the last page: a consent page may stay open for an hour.
  const ts = Math.floor(Date.now() / 1000);
  await resumeInteraction(request, {
    login: { accountId, proof, epoch, acr: passwordAcr, amr: ['pwd'], ts },
    // A user who types a password has chosen an account as well.
    select_account: {},
  });
}
