// The log line of each request.
import type { Context, Middleware } from 'koa';
import { withoutSecret } from '../../lib/link_paths.ts';
import type { Log } from '../../lib/log.ts';

/**
 * Logs one line per request: the client, the answer and, for a refusal, the reason. The path stands without its query, which
 * may hold codes and tokens, and without the secret of a mailed link.
 */
export function logRequests(log: Log): Middleware {
  return async (ctx, next) => {
    const start = performance.now();
    await next();
    const ms = Math.round((performance.now() - start) * 10) / 10;
    const { method, status, ip } = ctx;
    const path = withoutSecret(ctx.path);
    const user_agent = ctx.get('user-agent').slice(0, 200) || undefined;
    const details = { client_id: clientOf(ctx), user_agent, ...refusalOf(ctx) };
    log.info({ request_id: ctx.state.requestId, method, path, status, ms, ip, ...details }, 'request');
  };
}

// A client_id has at most 36 characters or is a URL. A longer value may be a token in the wrong parameter.
const claimedId = /^(.{1,36}|https?:\/\/.*)$/;

// The authenticated client, else the client_id that the request claims.
function clientOf(ctx: Context): string | undefined {
  const { oidc } = ctx as Context & {
    oidc?: { client?: { clientId?: unknown }; params?: { client_id?: unknown } };
  };
  const known: unknown = ctx.state.clientId ?? ctx.state.caller?.client_id ?? oidc?.client?.clientId;
  if (typeof known === 'string') return known.slice(0, 200);
  const claimed = oidc?.params?.client_id;
  return typeof claimed === 'string' && claimedId.test(claimed) ? claimed.slice(0, 200) : undefined;
}

interface LoggedRefusal {
  error?: string | undefined;
  reason?: string | undefined;
  /** The `error_description` of the answer. */
  description?: string | undefined;
  /** The engine's `error_detail`, which no caller sees. */
  detail?: string | undefined;
}

// Pages and redirects have no error body: there the refusal is the one that the engine's error listener noted. The message that
// an administrator wrote for a banned user is personal and is not logged.
function refusalOf(ctx: Context): LoggedRefusal {
  const body =
    ctx.status >= 400 ? (ctx.body as { error?: unknown; error_description?: unknown } | null) : null;
  const noted: LoggedRefusal = ctx.state.refusal ?? {};
  const reason: string | undefined = ctx.state.reason;
  const error = typeof body?.error === 'string' ? body.error : noted.error;
  if (error === undefined) return {};
  const description =
    typeof body?.error_description === 'string' ? body.error_description : noted.description;
  const isPersonal = reason?.startsWith('account_') === true;
  return { error, reason, ...(isPersonal ? {} : { description }), detail: noted.detail };
}
