// Listens to the engine's events of refusals and failures, and records them in the answer, the log, the limits and the
// audit trail.
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Deps } from '../core/deps.ts';
import { isUnavailable, unavailable } from '../core/store/database_errors.ts';
import { AppError } from '../lib/errors.ts';
import { countClientFailure } from '../token/client_failures.ts';
import { describeRefusal } from './request/error_descriptions.ts';

// The engine emits refusals per endpoint, as `grant.error` and so on.
const refusals = [
  'authorization',
  'code_verification',
  'device_authorization',
  'device_resume',
  'end_session',
  'end_session_confirm',
  'grant',
  'introspection',
  'pushed_authorization_request',
  'registration_create',
  'registration_delete',
  'registration_read',
  'registration_update',
  'revocation',
  'userinfo',
];

/** Listens for as long as the engine lives. */
export function recordEngineEvents(deps: Deps, provider: Provider): void {
  provider.on('server_error', (ctx, err) => recordFailure(deps, ctx, err));
  for (const name of refusals) {
    provider.on(`${name}.error` as 'grant.error', recordRefusal);
    provider.on(`${name}.error` as 'grant.error', (ctx, err) => void recordClientFailure(deps, ctx, err));
  }
}

// For the description in the answer, and for the log, which also gets the detail.
function recordRefusal(ctx: KoaContextWithOIDC, err: Error): void {
  const { error, error_description, error_detail } = err as Partial<errors.OIDCProviderError>;
  const description = describeRefusal(ctx, err);
  if (description) ctx.state.description ??= description;
  ctx.state.refusal = { error, description: description ?? error_description, detail: error_detail };
}

// The engine answers every failure with server_error. A database that is away and a processor with too much to do are
// noted in the request, and become a 503 on the way out (http/middleware/errors.ts).
function recordFailure({ log }: Deps, ctx: KoaContextWithOIDC, err: Error): void {
  const about = { err, request_id: ctx.state.requestId };
  if (err instanceof AppError && err.status === 503) ctx.state.unavailable = err;
  else if (isUnavailable(err)) {
    ctx.state.unavailable = unavailable(err);
    log.warn(about, 'the database is not available');
  } else log.error(about, 'the engine failed');
}

async function recordClientFailure(deps: Deps, ctx: KoaContextWithOIDC, error: Error): Promise<void> {
  if (!(error instanceof errors.InvalidClientAuth)) return;
  await countClientFailure(deps, ctx, ctx.oidc.client?.clientId ?? null);
}
