// The composition root: everything that a request passes through, in order.
import Koa from 'koa';
import compose from 'koa-compose';
import { createClientRegistrar } from './core/actions/register_client.ts';
import type { Deps } from './core/deps.ts';
import { adminClientRoutes } from './http/api/admin/clients.ts';
import { adminEventRoutes } from './http/api/admin/events.ts';
import { adminInvitationRoutes } from './http/api/admin/invitations.ts';
import { adminKeyRoutes } from './http/api/admin/keys.ts';
import { adminOutboxRoutes } from './http/api/admin/outbox.ts';
import { adminResourceServerRoutes } from './http/api/admin/resource_servers.ts';
import { adminSessionRoutes } from './http/api/admin/sessions.ts';
import { adminStatsRoutes } from './http/api/admin/stats.ts';
import { adminUserPasswordRoutes } from './http/api/admin/user_passwords.ts';
import { adminUserStatusRoutes } from './http/api/admin/user_status.ts';
import { adminUserRoutes } from './http/api/admin/users.ts';
import { browserSessionRoutes } from './http/api/browser_sessions.ts';
import { consentRoutes } from './http/api/consents.ts';
import { deviceRoutes } from './http/api/devices.ts';
import { logoutRoutes } from './http/api/logout.ts';
import { meRoutes } from './http/api/me.ts';
import { myAddressRoutes } from './http/api/my_address.ts';
import { myDeletionRoutes } from './http/api/my_deletion.ts';
import { myExportRoutes } from './http/api/my_export.ts';
import { openApiRoutes } from './http/api/openapi/document.ts';
import { recoveryRoutes } from './http/api/recovery.ts';
import { serveResourceMetadata } from './http/api/resource_metadata.ts';
import { createRouter } from './http/api/router.ts';
import type { Route } from './http/api/routes.ts';
import { sessionRoutes } from './http/api/sessions.ts';
import { signUpRoutes as signUpApiRoutes } from './http/api/sign_up.ts';
import { isConnectionError } from './http/listener/connections.ts';
import { closeWhenDraining } from './http/listener/drain.ts';
import { serveAssets } from './http/middleware/assets.ts';
import { answerPreflights, openAnswers } from './http/middleware/cors.ts';
import { composeEngine, mountEngine } from './http/middleware/engine.ts';
import { answerErrors } from './http/middleware/errors.ts';
import { answerHealth } from './http/middleware/health.ts';
import { queuePasswordHashes } from './http/middleware/password_queue.ts';
import { identifyRequest } from './http/middleware/request_id.ts';
import { limitBody, limitQuery } from './http/middleware/request_limits.ts';
import { logRequests } from './http/middleware/request_log.ts';
import { measureRequests } from './http/middleware/request_metrics.ts';
import { traceRequests } from './http/middleware/request_traces.ts';
import { setSecurityHeaders } from './http/middleware/security_headers.ts';
import type { Tracing } from './lib/tracing.ts';
import { createClientValidator } from './oidc/endpoints/client_validation.ts';
import { guardRegistration } from './oidc/endpoints/registration.ts';
import { accountRoutes } from './oidc/pages/account_page.ts';
import { addressLinkRoutes } from './oidc/pages/address_links.ts';
import { cookieSigner, migrateSessionCookie, secureCookiesByIssuer } from './oidc/pages/cookies.ts';
import { refuseCrossSiteForms } from './oidc/pages/cross_site_forms.ts';
import { takeUserCode } from './oidc/pages/device_link.ts';
import { interactionRoutes } from './oidc/pages/interactions.ts';
import { invitationRoutes } from './oidc/pages/invitation_pages.ts';
import { sendNotFoundPage } from './oidc/pages/not_found_page.ts';
import { catchUnavailable } from './oidc/pages/page_response.ts';
import { takePostedRequests } from './oidc/pages/posted_requests.ts';
import { recoveryPages } from './oidc/pages/recovery_pages.ts';
import { signUpRoutes } from './oidc/pages/sign_up_pages.ts';
import { createProvider, type Provider } from './oidc/provider.ts';
import { rememberReads } from './oidc/request/seen.ts';
import { readClientAuthorization } from './token/client_authorization.ts';
import { directEntrance } from './token/direct_entrance.ts';
import { directGrants } from './token/direct_grants.ts';
import { directIntrospection } from './token/introspection.ts';
import { directRevocation } from './token/revocation.ts';

/** Every route of Kindred's own API. */
export const routes: Route[] = [
  ...meRoutes,
  ...recoveryRoutes,
  ...myDeletionRoutes,
  ...myExportRoutes,
  ...myAddressRoutes,
  ...sessionRoutes,
  ...logoutRoutes,
  ...deviceRoutes,
  ...consentRoutes,
  ...browserSessionRoutes,
  ...signUpApiRoutes,
  ...adminUserRoutes,
  ...adminUserStatusRoutes,
  ...adminInvitationRoutes,
  ...adminUserPasswordRoutes,
  ...adminSessionRoutes,
  ...adminClientRoutes,
  ...adminResourceServerRoutes,
  ...adminKeyRoutes,
  ...adminOutboxRoutes,
  ...adminEventRoutes,
  ...adminStatsRoutes,
];

/** What the process gives the app. */
export interface AppOptions {
  isDraining?: () => boolean;
  tracing?: Tracing | null;
  /** Whether the direct entrance is open; `false` is for the tests that compare it with the entrance through the engine. */
  directEntrance?: boolean;
}

/** The whole server as a Koa app; its `callback()` is the listener of an HTTP server. */
export function createApp(deps: Deps, engine: Engine, options: AppOptions = {}): Koa {
  const { config, log, metrics } = deps;
  const { isDraining = () => false, tracing = null, directEntrance: isOpen = true } = options;
  const app = new Koa({
    proxy: config.trustProxy.hops > 0 || config.trustProxy.addresses.length > 0,
  });
  app.keys = cookieSigner(deps.keyring);
  secureCookiesByIssuer(app, config);
  const provider = () => engine().provider;
  const registrar = createClientRegistrar(deps, createClientValidator(deps, provider));
  const router = createRouter(deps, registrar, [...routes, ...openApiRoutes(config.issuer, routes)]);
  app.use(closeWhenDraining(isDraining));
  app.use(answerHealth(deps, isDraining));
  if (tracing) app.use(traceRequests(tracing));
  app.use(measureRequests(metrics));
  app.use(identifyRequest(config));
  app.use(logRequests(log));
  app.use(setSecurityHeaders(config));
  app.use(openAnswers);
  app.use(answerErrors(log));
  app.use(queuePasswordHashes(config));
  app.use(limitQuery());
  app.use(limitBody(config.bodyLimit));
  app.use(readClientAuthorization(deps));
  if (isOpen) app.use(openDirectEntrance(deps));
  app.use(answerPreflights);
  app.use(router.routes());
  app.use(router.allowedMethods());
  app.use(serveAssets(config.brand));
  app.use(serveResourceMetadata(config));
  app.use(guardRegistration(deps));
  app.use(refuseCrossSiteForms(deps));
  app.use(rememberReads);
  app.use(migrateSessionCookie(deps, provider));
  app.use(interactionRoutes(deps, provider).routes());
  app.use(accountRoutes(deps, provider).routes());
  app.use(recoveryPages(deps, provider).routes());
  app.use(signUpRoutes(deps, provider).routes());
  app.use(addressLinkRoutes(deps, provider).routes());
  app.use(invitationRoutes(deps).routes());
  app.use(takeUserCode);
  app.use(takePostedRequests(deps));
  app.use(mountEngine(deps, () => engine().run, catchUnavailable(deps)));
  app.use(sendNotFoundPage(deps));
  app.on('error', (err) => {
    if (isConnectionError(err)) log.debug({ err }, 'a client disconnected');
    else log.error({ err }, 'the app failed');
  });
  return app;
}

function openDirectEntrance(deps: Deps): Koa.Middleware {
  const grants = directGrants(deps);
  const introspection = directIntrospection(deps);
  const revocation = directRevocation(deps);
  return compose([
    directEntrance(deps, '/token', ({ grant_type }) => grants.get(String(grant_type))),
    directEntrance(deps, '/introspect', () => introspection),
    directEntrance(deps, '/revoke', () => revocation),
  ]);
}

/** The current engine: the provider, and the middleware that runs it. */
export type Engine = () => { provider: Provider; run: Koa.Middleware };

/**
 * Creates the engine, and a new one whenever the signing keys change: they cannot change inside a running engine. The
 * middleware always runs the current one.
 */
export function createEngine(deps: Deps): Engine {
  const create = () => {
    const provider = createProvider(deps);
    return { provider, run: composeEngine(provider) };
  };
  let engine = create();
  deps.keys.onChange(() => {
    engine = create();
  });
  return () => engine;
}
