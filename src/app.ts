// The composition root: what a request passes through, in order, on one screen.
import Koa from 'koa';
import type { Services } from './core/services.ts';
import { adminClientRoutes } from './http/admin_clients.ts';
import { adminEventRoutes } from './http/admin_events.ts';
import { adminKeyRoutes } from './http/admin_keys.ts';
import { adminResourceServerRoutes } from './http/admin_resource_servers.ts';
import { adminSessionRoutes } from './http/admin_sessions.ts';
import { adminStatsRoutes } from './http/admin_stats.ts';
import { adminUserRoutes } from './http/admin_users.ts';
import { serveAssets } from './http/assets.ts';
import { browserSessionRoutes } from './http/browser_sessions.ts';
import { isClientsDoing } from './http/connections.ts';
import { consentRoutes } from './http/consents.ts';
import { answerPreflights } from './http/cors.ts';
import { deviceRoutes } from './http/devices.ts';
import { closeWhenDraining } from './http/drain.ts';
import { composeEngine, mountEngine } from './http/engine.ts';
import { answerErrors } from './http/errors.ts';
import { answerHealth } from './http/health.ts';
import { meRoutes } from './http/me.ts';
import { measureRequests } from './http/measure.ts';
import { openApiRoutes } from './http/openapi.ts';
import { identify, limitBody, limitQuery, logRequests, queueHashes, secureHeaders } from './http/request.ts';
import { serveResourceMetadata } from './http/resource_metadata.ts';
import { createRouter } from './http/router.ts';
import type { Route } from './http/routes.ts';
import { sessionRoutes } from './http/sessions.ts';
import { traceRequests } from './http/trace.ts';
import type { Tracing } from './lib/tracing.ts';
import { accountRoutes } from './oidc/account_page.ts';
import { createClientRegistry } from './oidc/clients.ts';
import { cookieSigner, takeOverSessionCookie, useSchemeOfIssuer } from './oidc/cookies.ts';
import { takeDeviceCode } from './oidc/device_link.ts';
import { refuseForeignForms } from './oidc/foreign_forms.ts';
import { interactionRoutes } from './oidc/interactions.ts';
import { leanEndpoint } from './oidc/lean.ts';
import { leanIntrospection } from './oidc/lean_introspection.ts';
import { leanLogin } from './oidc/lean_login.ts';
import { leanRefresh } from './oidc/lean_refresh.ts';
import { createProvider, type Provider } from './oidc/provider.ts';
import { guardRegistration } from './oidc/registration.ts';
import { showUnknownPages } from './oidc/unknown_pages.ts';

/** Every route of our own API. */
export const routes: Route[] = [
  ...meRoutes,
  ...sessionRoutes,
  ...deviceRoutes,
  ...consentRoutes,
  ...browserSessionRoutes,
  ...adminUserRoutes,
  ...adminSessionRoutes,
  ...adminClientRoutes,
  ...adminResourceServerRoutes,
  ...adminKeyRoutes,
  ...adminEventRoutes,
  ...adminStatsRoutes,
];

/** What the process around the app knows. */
export interface Surroundings {
  isDraining?: () => boolean;
  tracing?: Tracing | null;
  /** Whether common requests take the lean paths; `false` is for the test that compares both. */
  lean?: boolean;
}

/** The whole server as a Koa app; `callback()` is what an HTTP server wants. */
export function createApp(services: Services, engine: Engine, around: Surroundings = {}): Koa {
  const { config, log, metrics } = services;
  const { isDraining = () => false, tracing = null, lean = true } = around;
  const app = new Koa({
    proxy: config.trustProxy.hops > 0 || config.trustProxy.addresses.length > 0,
  });
  app.keys = cookieSigner(services.keyring);
  useSchemeOfIssuer(app, config);
  const provider = () => engine().provider;
  const registry = createClientRegistry(services, provider);
  const router = createRouter(services, registry, [...routes, ...openApiRoutes(config.issuer, routes)]);
  app.use(closeWhenDraining(isDraining));
  app.use(answerHealth(services, isDraining));
  if (tracing) app.use(traceRequests(tracing));
  app.use(measureRequests(metrics));
  app.use(identify(config));
  app.use(logRequests(log));
  app.use(secureHeaders(config));
  app.use(answerErrors(log));
  app.use(queueHashes(config));
  app.use(limitQuery());
  app.use(limitBody(config.bodyLimit));
  if (lean) app.use(leanToken(services)).use(leanIntrospect(services));
  app.use(answerPreflights);
  app.use(router.routes());
  app.use(router.allowedMethods());
  app.use(serveAssets(config.brand));
  app.use(serveResourceMetadata(config));
  app.use(guardRegistration(services));
  app.use(refuseForeignForms(services));
  app.use(takeOverSessionCookie(services, provider));
  app.use(interactionRoutes(services, provider).routes());
  app.use(accountRoutes(services, provider).routes());
  app.use(takeDeviceCode);
  app.use(mountEngine(services, () => engine().run));
  app.use(showUnknownPages(services));
  app.on('error', (err) => {
    if (isClientsDoing(err)) log.debug({ err }, 'a client is gone');
    else log.error({ err }, 'the app failed');
  });
  return app;
}

function leanToken(services: Services): Koa.Middleware {
  const grants = new Map([
    ['refresh_token', leanRefresh(services)],
    ['password', leanLogin(services)],
  ]);
  return leanEndpoint(services, '/token', ({ grant_type }) => grants.get(String(grant_type)));
}

function leanIntrospect(services: Services): Koa.Middleware {
  const introspection = leanIntrospection(services);
  return leanEndpoint(services, '/introspect', () => introspection);
}

/** The engine of the moment: the provider, and the middleware that runs it. */
export type Engine = () => { provider: Provider; run: Koa.Middleware };

/**
 * Makes the engine and keeps it in step with the signing keys. They cannot change inside a running one: a change makes
 * a new one, swapped behind one middleware.
 */
export function createEngine(services: Services): Engine {
  const start = () => {
    const provider = createProvider(services);
    return { provider, run: composeEngine(provider) };
  };
  let engine = start();
  services.keys.onChange(() => {
    engine = start();
  });
  return () => engine;
}
