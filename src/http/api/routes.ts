// What a route is: one row, from which binding, validation, authorization and the OpenAPI document all follow.
import { z } from 'zod';
import type { AccessTokenClaims } from '../../core/access_tokens/access_tokens.ts';
import type { Actor } from '../../core/audit/audit.ts';
import type { ClientRegistrar } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import type { RequestSource } from '../../core/request_source.ts';
import type { ErrorName } from '../../lib/errors.ts';

/**
 * Who may call: anybody; a user, with the scope `account`; an administrator, with the scope `admin`, who is a user with
 * the role `admin` or a confidential client. There is no default, every row says it.
 */
export type Auth = 'public' | 'user' | 'admin';

/** What a handler gets: everything checked, nothing raw. */
export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  deps: Deps;
  registrar: ClientRegistrar;
  params: Params;
  query: Query;
  body: Body;
  /** The verified access token of the caller; `sub` is the user, `sid` the session (a client's token has none). */
  caller: AccessTokenClaims & { sid: string };
  /** Who does this, for the rows and events that remember it. */
  by: { actor: Actor; actor_id: string };
  source: RequestSource;
}

export interface Route {
  method: 'get' | 'post' | 'patch' | 'delete';
  /** Below `/api`. */
  path: string;
  auth: Auth;
  summary: string;
  /** The status of success; 204 has no body. */
  status: number;
  params: z.ZodType;
  query: z.ZodType;
  /** Absent when the route takes no body. */
  body?: z.ZodType;
  response?: z.ZodType;
  /** Refusals beside those that every route of its kind has. */
  errors: ErrorName[];
  /**
   * Set when the handler finds out by itself, with what it reads, whether the caller's token lives, and throws
   * `invalid_token` when it does not. What the token says has been checked all the same.
   */
  provesCaller: boolean;
  handler: (call: Call) => Promise<unknown>;
}

type Shape = z.ZodRawShape;
type Values<S extends Shape> = z.output<z.ZodObject<S>>;

interface Row<P extends Shape, Q extends Shape, B extends z.ZodType> {
  method: Route['method'];
  path: string;
  auth: Auth;
  summary: string;
  status?: number;
  params?: P;
  query?: Q;
  body?: B;
  response?: z.ZodType;
  errors?: ErrorName[];
  provesCaller?: boolean;
  handler: (call: Call<Values<P>, Values<Q>, z.output<B>>) => Promise<unknown>;
}

/** Writes a row; the handler's types follow from its schemas. Unknown members are refused everywhere. */
export function route<
  P extends Shape = Record<never, never>,
  Q extends Shape = Record<never, never>,
  B extends z.ZodType = z.ZodUndefined,
>(row: Row<P, Q, B>): Route {
  const { params, query, body, response, errors, status, provesCaller, handler, ...rest } = row;
  return {
    ...rest,
    status: status ?? 200,
    params: z.object(params ?? {}),
    query: z.strictObject(query ?? {}),
    ...(body ? { body } : {}),
    ...(response ? { response } : {}),
    errors: errors ?? [],
    provesCaller: provesCaller ?? false,
    handler: handler as Route['handler'],
  };
}

/** A moment in an answer: a date, or what has been written as one. ISO 8601 in UTC on the wire. */
export const moment = z
  .custom<Date | string>((value) => value instanceof Date || typeof value === 'string')
  .meta({ type: 'string', format: 'date-time' });

/** A UUID in a path, in the form that the database stores. Anything else is no id of ours. */
export const id = z.uuid().transform((value) => value.toLowerCase());

/** A position may be the id of a client, the longest of all, in base64url. */
const longestCursor = 3_000;

/** How lists are paged: at most `limit` items, and from `next_cursor` on. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('at most so many items'),
  cursor: z.string().max(longestCursor).optional().describe('the `next_cursor` of the page before'),
};
