// The source of a request: its address, user agent and id, as sessions, limits and the audit trail store them.

/** The address, user agent and id of a request. */
export interface RequestSource {
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
}

/** The part of a Koa context that the source is read from; the engine's context has it too. */
interface Request {
  ip: string;
  get: (header: string) => string;
  state: { requestId?: string };
}

/** The longest user agent that is stored, in UTF-16 units; a client may send kilobytes. */
const maxUserAgent = 512;

/** The source of a request. A long user agent is cut; a part that the request lacks is null. */
export function requestSourceOf(request: Request): RequestSource {
  return {
    ip: request.ip || null,
    user_agent: request.get('user-agent').slice(0, maxUserAgent) || null,
    request_id: request.state.requestId ?? null,
  };
}
