// Where a request comes from: what sessions, limits and the audit trail keep of it.

/** The address, user agent and id of a request; travels from the socket to the rows that keep it. */
export interface RequestSource {
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
}

/** The part of a request that its source is made of; Koa's context has it, and so has the engine's. */
interface Request {
  ip: string;
  get: (header: string) => string;
  state: { requestId?: string };
}

/** The longest user agent that is kept, in UTF-16 units; a client may send kilobytes. */
const maxUserAgent = 512;

/** The source of a request. A user agent is cut; what the request lacks is null. */
export function requestSourceOf(request: Request): RequestSource {
  return {
    ip: request.ip || null,
    user_agent: request.get('user-agent').slice(0, maxUserAgent) || null,
    request_id: request.state.requestId ?? null,
  };
}
