// The composition root: what a request passes through, in order, on one screen.
import Koa from 'koa';
import type { Services } from './core/services.ts';
import { answerPreflights } from './http/cors.ts';
import { deviceRoutes } from './http/devices.ts';
import { composeEngine, mountEngine } from './http/engine.ts';
import { answerErrors } from './http/errors.ts';
import { meRoutes } from './http/me.ts';
import { openApiRoutes } from './http/openapi.ts';
import { identify, limitBody, logRequests, secureHeaders } from './http/request.ts';
import { createRouter } from './http/router.ts';
import type { Route } from './http/routes.ts';
import { sessionRoutes } from './http/sessions.ts';
import { createProvider } from './oidc/provider.ts';

/** Every route of our own API. */
export const routes: Route[] = [...meRoutes, ...sessionRoutes, ...deviceRoutes];

/** The whole server as a Koa app; `callback()` is what an HTTP server wants. */
export function createApp(services: Services): Koa {
  const { config, log } = services;
  const app = new Koa({ proxy: config.trustProxy.hops > 0 || config.trustProxy.addresses.length > 0 });
  const router = createRouter(services, [...routes, ...openApiRoutes(config.issuer, routes)]);
  app.use(identify(config));
  app.use(logRequests(log));
  app.use(secureHeaders(config));
  app.use(answerErrors(log));
  app.use(limitBody(config.bodyLimit));
  app.use(answerPreflights);
  app.use(router.routes());
  app.use(router.allowedMethods());
  app.use(mountEngine(services, followKeys(services)));
  app.on('error', (err) => log.error({ err }, 'the app failed'));
  return app;
}

// Signing keys cannot change inside a running engine: a change of keys makes a new one, swapped behind one middleware.
function followKeys(services: Services): () => Koa.Middleware {
  let engine = composeEngine(createProvider(services));
  services.keys.onChange(() => {
    engine = composeEngine(createProvider(services));
  });
  return () => engine;
}
