// The page of `prompt=select_account` (OpenID Connect Core 1.0, 3.1.2.1) for a user who is signed in. A user who is not
// signed in logs in instead, and thereby chooses the account.
import { displayName, findUser } from '../../core/users/users.ts';
import { renderSelectAccount } from '../../pages/select_account.ts';
import { cspOptions, formTarget, type InteractionRequest, resumeInteraction } from './interaction_request.ts';
import { brandOf, sendErrorPage, sendPage } from './page_response.ts';

/** The prompt that this page answers. */
export const selectAccount = 'select_account';

/** Answers with the page. */
export async function sendSelectAccountPage(request: InteractionRequest): Promise<void> {
  const { deps, ctx, interaction, client } = request;
  const user = await findUser(deps.db, interaction.session?.accountId ?? '');
  if (!user) return sendErrorPage(deps, ctx, 'page_expired', 400);
  const html = renderSelectAccount(brandOf(deps), {
    form: formTarget(request, 'continue'),
    switchUser: formTarget(request, 'switch'),
    client: { name: client.clientName ?? client.clientId },
    user: { username: displayName(user), email: user.email },
  });
  sendPage(deps, ctx, html, cspOptions(request));
}

/** Continues as the signed-in user. */
export async function keepAccount(request: InteractionRequest): Promise<void> {
  const { deps, ctx, interaction } = request;
  if (interaction.prompt.name !== selectAccount) return sendErrorPage(deps, ctx, 'page_expired', 400);
  await resumeInteraction(request, { select_account: {} }, true);
}
