// What a route is: one row of a table, from which the router, the validation, the authorization and the OpenAPI document follow.
import { z } from 'zod';
import type { AccessTokenClaims } from '../../core/access_tokens/access_tokens.ts';
import type { ClientRegistrar } from '../../core/actions/register_client.ts';
import type { Actor } from '../../core/audit/audit_events.ts';
import type { AdminRight } from '../../core/clients/own_scopes.ts';
import type { Deps } from '../../core/deps.ts';
import type { RequestSource } from '../../core/request_source.ts';
import type { Authority } from '../../core/users/authority.ts';
import type { ErrorName } from '../../lib/errors.ts';

/**
 * Who may call. `public`: anyone. `user`: a user, with the scope `account`. `admin`: a user or a confidential client with the right that
 * the row names. There is no default: every row states `auth` or `right`.
 */
export type Auth = 'public' | 'user' | 'admin';

/** What a handler receives of a request: only validated values. */
export interface ApiRequest<Params = unknown, Query = unknown, Body = unknown> {
  deps: Deps;
  registrar: ClientRegistrar;
  params: Params;
  query: Query;
  body: Body;
  /** The verified access token of the caller; `sub` is the user, `sid` the session (a client's token has none). */
  caller: AccessTokenClaims & { sid: string };
  /** The caller and the source of the request, as sessions and audit events record them. */
  actor: { actor: Actor; actor_id: string; source: RequestSource; authority?: Authority };
}

export interface Route {
  method: 'get' | 'post' | 'patch' | 'delete';
  /** Below `/api`. */
  path: string;
  auth: Auth;
  /** The right that a caller needs; null where `auth` is not `admin`. Reading is also allowed by `admin:read`. */
  right: AdminRight | null;
  summary: string;
  /** The status of success; 204 has no body. */
  status: number;
  params: z.ZodType;
  query: z.ZodType;
  /** Absent when the route takes no body. */
  body?: z.ZodType;
  response?: z.ZodType;
  /** The media type of an answer that the handler returns as a stream. */
  stream?: string;
  /** The errors of this route beside those that every route of its kind can answer. */
  errors: ErrorName[];
  /**
   * True when the handler itself checks, with a query that it needs anyway, that the caller's token is live, and throws
   * `invalid_token` when it is not. The guard then verifies the signature and the claims alone.
   */
  checksLiveness: boolean;
  handler: (request: ApiRequest) => Promise<unknown>;
}

type Shape = z.ZodRawShape;
type Values<S extends Shape> = z.output<z.ZodObject<S>>;

/** A row as it is written; `route` fills in the defaults. */
type RouteRow<P extends Shape, Q extends Shape, B extends z.ZodType> = Caller & {
  method: Route['method'];
  path: string;
  summary: string;
  status?: number;
  params?: P;
  query?: Q;
  body?: B;
  response?: z.ZodType;
  stream?: string;
  errors?: ErrorName[];
  checksLiveness?: boolean;
  handler: (request: ApiRequest<Values<P>, Values<Q>, z.output<B>>) => Promise<unknown>;
};

/** The rows below `/api/admin` name a right, all others who may call. */
type Caller = { auth: Exclude<Auth, 'admin'>; right?: never } | { right: AdminRight; auth?: never };

/** Makes a row; the types of its handler follow from its schemas. Unknown query parameters are refused. */
export function route<
  P extends Shape = Record<never, never>,
  Q extends Shape = Record<never, never>,
  B extends z.ZodType = z.ZodUndefined,
>(row: RouteRow<P, Q, B>): Route {
  const { params, query, body, response, errors, status, checksLiveness, handler, auth, right, ...rest } =
    row;
  return {
    ...rest,
    auth: auth ?? 'admin',
    right: right ?? null,
    status: status ?? 200,
    params: z.object(params ?? {}),
    query: z.strictObject(query ?? {}),
    ...(body ? { body } : {}),
    ...(response ? { response } : {}),
    errors: errors ?? [],
    checksLiveness: checksLiveness ?? false,
    handler: handler as Route['handler'],
  };
}

/** A time in an answer: a Date, or its ISO 8601 text where the database has already written it. UTC on the wire. */
export const dateTime = z
  .custom<Date | string>((value) => value instanceof Date || typeof value === 'string')
  .meta({ type: 'string', format: 'date-time' });

/**
 * A time in a request: RFC 3339, 5.6, with any offset and with `T` and `Z` in either case; a Date for the handler. A space counts
 * as `+` before the offset, which is how a query carries a `+` that the client did not percent-encode.
 */
export const timeInRequest = z
  .string()
  .max(40)
  .meta({ format: 'date-time' })
  .transform((value) => value.toUpperCase().replace(/ (\d\d:\d\d)$/, '+$1'))
  .pipe(z.iso.datetime({ offset: true }))
  .transform((value) => new Date(value));

/** A UUID in a path, in lower case as the database stores it. Nothing has an id of another form. */
export const id = z.uuid().transform((value) => value.toLowerCase());

/** The longest position is a client_id, in base64url. */
const longestCursor = 3_000;

/** The parameters of a list: at most `limit` items, beginning after `cursor`. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('the largest number of items'),
  cursor: z
    .string()
    .max(longestCursor)
    .meta({ pattern: '^[A-Za-z0-9_-]+$' })
    .optional()
    .describe(
      'the `next_cursor` of the previous page of the same list, unchanged; any other value is refused',
    ),
};
