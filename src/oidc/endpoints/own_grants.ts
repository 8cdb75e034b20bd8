// The entrance to our grants through the engine, for clients that authenticate by an assertion or a certificate and for requests
// in an unusual shape: the engine reads the form and authenticates the client, then src/token decides and answers.
import { errors, type TokenEndpointGrantContext } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { readCertificateOf } from '../../token/certificate.ts';
import { readProof } from '../../token/dpop.ts';
import { type Grant, type GrantRequest, withCurrentClient } from '../../token/grant.ts';
import { giveReason } from '../../token/reason.ts';

type Context = TokenEndpointGrantContext;

/** The handler that the engine runs for one of our grants. */
export function ownGrant(deps: Deps, grant: Grant): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    try {
      ctx.body = await answer(deps, ctx, grant);
    } catch (error) {
      // The engine answers faults with server_error; engine_events.ts makes the right answer of ours.
      throw error instanceof AppError && error.status < 500 ? asEngineError(ctx, error) : error;
    }
  };
}

async function answer(deps: Deps, ctx: Context, grant: Grant): Promise<object> {
  const { clientId } = ctx.oidc.client;
  let request: GrantRequest | undefined;
  const body = await withCurrentClient(
    deps,
    () => deps.clientCache.find(clientId),
    async (known) => {
      request = request ? { ...request, known } : { ...readRequest(deps, ctx), known };
      return await grant(deps, request);
    },
  );
  if (body) return body;
  throw new AppError('invalid_client');
}

function readRequest(deps: Deps, ctx: Context): Omit<GrantRequest, 'known'> {
  const { resource, ...form } = ctx.oidc.params as Record<string, string | string[] | undefined>;
  return {
    form: Object.fromEntries(Object.entries(form).map(([name, value]) => [name, asText(value)])),
    resources: [resource ?? []].flat(),
    source: requestSourceOf(ctx),
    proof: readProof(deps, ctx),
    certificate: readCertificateOf(deps, ctx),
    isGone: () => !ctx.writable,
  };
}

// The engine has refused a parameter that was sent twice.
function asText(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Our refusal as an error of the engine, so that its error handling answers it; the reason goes into the request. */
export function asEngineError(ctx: Pick<Context, 'state' | 'set'>, refusal: AppError): Error {
  const { status, code, error, message, retryAfter, logDetail } = refusal;
  const reason = refusal.reason ?? (code === 'rate_limited' ? code : undefined);
  if (reason) giveReason(ctx, reason);
  if (retryAfter) ctx.set('Retry-After', String(retryAfter));
  const thrown = new errors.OIDCProviderError(status, error);
  thrown.error_description = message;
  if (logDetail) thrown.error_detail = logDetail;
  return thrown;
}
