// The routes of the login and consent pages of an authorization request. The engine stores the request as an interaction
// and resumes it with the result of the page. Every form needs the CSRF token of its interaction.
import Router from '@koa/router';
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endBrowserSession } from '../../core/sessions/browser_sessions.ts';
import { digest } from '../../lib/crypto.ts';
import { decideConsent, sendConsentPage } from './consent_page.ts';
import { field, isCsrfToken, parseForm } from './form.ts';
import { denyAccess, type InteractionRequest, type Step } from './interaction_request.ts';
import { logIn, sendLoginPage, setNewPassword } from './login_page.ts';
import { catchUnavailable, publicPath, redirect, sendErrorPage } from './page_response.ts';
import { isFinished } from './repeated_forms.ts';
import { keepAccount, selectAccount, sendSelectAccountPage } from './select_account_page.ts';

/** The routes under `/interaction`. `provider` returns the current engine, which changes with the signing keys. */
export function interactionRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/interaction/:uid' });
  const form = parseForm(deps);
  router.use(catchUnavailable(deps));
  router.get('/', withInteraction(deps, provider, show));
  router.post('/login', form, withInteraction(deps, provider, requireCsrfToken(logIn)));
  router.post('/new-password', form, withInteraction(deps, provider, requireCsrfToken(setNewPassword)));
  router.post('/consent', form, withInteraction(deps, provider, requireCsrfToken(decideConsent)));
  router.post('/continue', form, withInteraction(deps, provider, requireCsrfToken(keepAccount)));
  router.post('/switch', form, withInteraction(deps, provider, requireCsrfToken(switchUser)));
  router.post('/cancel', form, withInteraction(deps, provider, requireCsrfToken(denyAccess)));
  return router;
}

// The cookie and the path must name the same interaction. With two requests open in one browser, each form then acts on the
// request that its page showed.
function withInteraction(deps: Deps, provider: () => Provider, step: Step) {
  return async (ctx: Context): Promise<void> => {
    const engine = provider();
    try {
      const interaction = await engine.interactionDetails(ctx.req, ctx.res);
      const client = await engine.Client.find(String(interaction.params.client_id));
      if (interaction.uid !== ctx.params.uid || !client)
        throw new errors.SessionNotFound('another interaction');
      await step({ deps, provider: engine, ctx, interaction, client });
    } catch (error) {
      if (!(error instanceof errors.SessionNotFound)) throw error;
      sendErrorPage(deps, ctx, 'page_expired', 400);
    }
  };
}

function requireCsrfToken(step: Step): Step {
  return async (request) => {
    const { deps, ctx, interaction } = request;
    if (isCsrfToken(deps, interaction.uid, field(ctx, 'csrf'))) return await step(request);
    sendErrorPage(deps, ctx, 'form_expired', 403);
  };
}

// A finished page may be submitted again for a minute, but not opened again.
async function show(request: InteractionRequest): Promise<void> {
  if (isFinished(request.interaction)) return sendErrorPage(request.deps, request.ctx, 'page_expired', 400);
  if (request.interaction.prompt.name === 'login') await sendLoginPage(request);
  else if (request.interaction.prompt.name === 'consent') await sendConsentPage(request);
  else if (request.interaction.prompt.name === selectAccount) await sendSelectAccountPage(request);
  else throw new Error(`there is no page for the prompt ${request.interaction.prompt.name}`);
}

// "Not you? Use another account": ends the other user's browser session and the sessions that were opened in it, as signing
// out would. The request then continues with the login page, whatever its `prompt` was.
async function switchUser({ deps, ctx, interaction }: InteractionRequest): Promise<void> {
  const { accountId, uid } = interaction.session ?? {};
  if (accountId && uid) {
    const ending = {
      reason: 'logout',
      actor: 'user',
      actor_id: accountId,
      source: requestSourceOf(ctx),
    } as const;
    await endBrowserSession(deps.db, accountId, digest(uid), ending);
  }
  interaction.session = undefined;
  interaction.prompt = { name: 'login', reasons: ['login_prompt'], details: {} };
  // Both are times of the engine's clock.
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  redirect(ctx, publicPath(deps, `/interaction/${interaction.uid}`));
}
