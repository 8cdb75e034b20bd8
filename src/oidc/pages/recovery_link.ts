// The link of a recovery, which works in any browser. Opening it changes nothing, however often; a typed password spends it.
import { findRecoveryLink } from '../../core/actions/recover.ts';
import { displayName, type User } from '../../core/users/users.ts';
import { AppError } from '../../lib/errors.ts';
import type { PasswordProblem } from '../../pages/account_texts.ts';
import type { DeadLinkState } from '../../pages/dead_link.ts';
import { renderNewPassword } from '../../pages/recovery.ts';
import { linkBrandOf, linkTokenOf, sendDeadLink, sendLinkPage } from './link_pages.ts';
import { publicPath } from './page_response.ts';
import { completeAtPage, type RecoveryPage } from './recovery_completion.ts';

/** Shows whose password the link sets, and asks for the new one. */
export async function showLink(page: RecoveryPage): Promise<void> {
  const token = linkTokenOf(page.ctx);
  const { state, user } = token === null ? unknown : await findRecoveryLink(page.deps.db, token);
  if (token === null || !user) return sendDeadRecoveryLink(page, state === 'alive' ? 'used' : state);
  sendLinkForm(page, token, user);
}

const unknown = { state: 'unknown', user: null } as const;

/** Sets the password that was typed. */
export async function setPasswordByLink(page: RecoveryPage): Promise<void> {
  const token = linkTokenOf(page.ctx);
  if (token === null) return sendDeadRecoveryLink(page, 'unknown');
  try {
    const problem = await completeAtPage(page, { token });
    if (problem === null) return;
    const { user } = await findRecoveryLink(page.deps.db, token);
    if (!user) return await showLink(page);
    sendLinkForm(page, token, user, problem);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'invalid_code') throw error;
    await showLink(page);
  }
}

function sendLinkForm(
  { deps, ctx }: RecoveryPage,
  token: string,
  user: User,
  problem?: PasswordProblem,
): void {
  const html = renderNewPassword(linkBrandOf(deps), {
    form: { action: publicPath(deps, `/recover/${token}`) },
    user: { name: displayName(user), email: user.email },
    isOfLink: true,
    ...(problem ? { problem } : {}),
  });
  sendLinkPage(deps, ctx, html, problem ? 400 : 200);
}

function sendDeadRecoveryLink({ deps, ctx }: RecoveryPage, state: DeadLinkState): void {
  const newMail = {
    action: publicPath(deps, '/recover'),
    field: { name: 'login', label: 'Username or e-mail', type: 'text', autocomplete: 'username' },
    button: 'Send a new mail',
  } as const;
  sendDeadLink(deps, ctx, {
    state,
    ...(deps.config.recovery ? { newMail } : { advice: 'Ask an administrator for a new one.' }),
    link: { url: publicPath(deps, '/account'), label: 'Sign in' },
  });
}
