// The end of a recovery at our pages: the new password is set, nobody is signed in, and the person is back at the login.
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { completeRecovery, type RecoveryProof } from '../../core/actions/recover.ts';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { displayName, type User } from '../../core/users/users.ts';
import { digest } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';
import type { PasswordProblem } from '../../pages/account_texts.ts';
import { renderRecovered } from '../../pages/recovery.ts';
import { findVisitor } from './browser_login.ts';
import { field } from './form.ts';
import { linkBrandOf, loginPath, readMailHandle, sendLinkPage, setMailHandle } from './link_pages.ts';
import { publicPath, redirect } from './page_response.ts';
import { setRecovered } from './recovery_login.ts';

/** A request for one of the pages of a recovery. */
export interface RecoveryPage {
  deps: Deps;
  provider: Provider;
  ctx: Context;
}

/**
 * Sets the password of the form, and answers. Null when that is done; else why the new password was not taken, and nothing was spent.
 * Throws `invalid_code` and `rate_limited`.
 */
export async function completeAtPage(
  page: RecoveryPage,
  proof: RecoveryProof,
): Promise<PasswordProblem | null> {
  const { deps, ctx } = page;
  try {
    const new_password = field(ctx, 'new_password');
    const { code, user } = await completeRecovery(deps, {
      proof,
      new_password,
      source: requestSourceOf(ctx),
    });
    await leadToLogin(page, user, code.request_digest);
    return null;
  } catch (error) {
    if (error instanceof AppError && error.code === 'weak_password')
      return { kind: error.reason as 'password_too_short' };
    throw error;
  }
}

// In the browser that asked, the authorization request goes on in whose middle it did. A browser in which somebody else is signed in
// keeps that login, so its account page would say nothing of the new password.
async function leadToLogin({ deps, provider, ctx }: RecoveryPage, user: User, request_digest: string | null) {
  const kept = readMailHandle(deps, ctx, 'recovery');
  const isSameBrowser = kept !== null && digest(kept.handle) === request_digest;
  if (isSameBrowser) setMailHandle(deps, ctx, 'recovery', null);
  if (isSameBrowser) await asSignedOut(provider, kept.request, user.id);
  const path = await loginPath(deps, provider, isSameBrowser ? kept.request : null);
  const accountUrl = publicPath(deps, '/account');
  const visitor = path === accountUrl ? await findVisitor(deps, provider, ctx) : null;
  if (visitor) {
    const page = { name: displayName(user), visitor: displayName(visitor.user), accountUrl };
    return sendLinkPage(deps, ctx, renderRecovered(linkBrandOf(deps), page));
  }
  setRecovered(deps, ctx);
  redirect(ctx, path);
}

// An authorization request that began while the user was signed in refers to a login that has ended now: the engine would call it
// expired. It goes on with the login page, whatever its `prompt` was.
async function asSignedOut(provider: Provider, request: string | null, user_id: string): Promise<void> {
  const interaction = request === null ? undefined : await provider.Interaction.find(request);
  if (!interaction || interaction.session?.accountId !== user_id) return;
  interaction.session = undefined;
  interaction.prompt = { name: 'login', reasons: ['login_prompt'], details: {} };
  await interaction.save((interaction.exp ?? 0) - Math.floor(Date.now() / 1000));
}
