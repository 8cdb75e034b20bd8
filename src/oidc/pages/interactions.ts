// The login and consent pages of an authorization request. The engine keeps the request; what it waits for is decided
// here, and it goes on when we answer.
import Router from '@koa/router';
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endBrowserSession } from '../../core/sessions/browser_sessions.ts';
import { digest } from '../../lib/crypto.ts';
import { decide, sendConsentPage } from './consent_page.ts';
import { field, isCsrfToken, parseForm } from './form.ts';
import { cancel, type Step, type Visit } from './interaction_request.ts';
import { logIn, sendLoginPage } from './login_page.ts';
import { catchUnavailable, publicPath, redirect, sendErrorPage } from './page_response.ts';
import { isFinished } from './repeated_forms.ts';

/** The routes of the pages. `provider` is the engine of the moment. */
export function interactionRoutes(deps: Deps, provider: () => Provider): Router {
  const router = new Router({ prefix: '/interaction/:uid' });
  const form = parseForm(deps);
  router.use(catchUnavailable(deps));
  router.get('/', visit(deps, provider, show));
  router.post('/login', form, visit(deps, provider, requireCsrfToken(logIn)));
  router.post('/consent', form, visit(deps, provider, requireCsrfToken(decide)));
  router.post('/switch', form, visit(deps, provider, requireCsrfToken(switchUser)));
  router.post('/cancel', form, visit(deps, provider, requireCsrfToken(cancel)));
  return router;
}

// The cookie names the interaction and the path must name the same one: with two requests open in one browser, a form
// acts on the one that its page showed.
function visit(deps: Deps, provider: () => Provider, step: Step) {
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
  return async (visited) => {
    const { deps, ctx, interaction } = visited;
    if (isCsrfToken(deps, interaction.uid, field(ctx, 'csrf'))) return await step(visited);
    sendErrorPage(deps, ctx, 'form_expired', 403);
  };
}

// A page that has led on can be sent again for a moment, but not opened again.
async function show(visited: Visit): Promise<void> {
  if (isFinished(visited.interaction)) return sendErrorPage(visited.deps, visited.ctx, 'page_expired', 400);
  if (visited.interaction.prompt.name === 'login') await sendLoginPage(visited);
  else if (visited.interaction.prompt.name === 'consent') await sendConsentPage(visited);
  else throw new Error(`the engine asks for ${visited.interaction.prompt.name}, which we have no page for`);
}

// Somebody else's browser session ends here, with all that was opened in it, as when they sign out themselves; the
// request, however it came, goes on with the login page.
async function switchUser({ deps, ctx, interaction }: Visit): Promise<void> {
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
  // Both are times of the engine's.
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  redirect(ctx, publicPath(deps, `/interaction/${interaction.uid}`));
}
