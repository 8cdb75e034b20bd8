// What one request has already read from the database, for the engine and for our pages: both call models and adapter without
// passing the request.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from 'koa';
import type { Registered } from '../../core/clients/client_cache.ts';
import type { FoundCode } from '../../core/sessions/find_code.ts';
import type { User } from '../../core/users/users.ts';

export interface Seen {
  request?: IncomingMessage;
  /** The version of the client cache, read by a statement of this request: see {@link rememberVersion}. */
  version?: number;
  /** The client and the resource servers that this version stands for. */
  known?: Registered;
  /** The user whose password this login has proved; the statements that write what the login opens have the proof as a condition. */
  proved?: User;
  /** The interaction as it is stored. `isReplaced`: the next write of it must not overwrite a newer one. */
  interaction?: { id: string; sealed: string; isReplaced?: boolean };
  /** The code that this request exchanges. */
  code?: { handle: string } & FoundCode;
}

/** The interaction was written by another request since this one read it. */
export class InteractionChanged extends Error {}

const requests = new AsyncLocalStorage<Seen>();

/** Runs every further middleware with a memory of its own for this request. */
export const rememberReads: Middleware = ({ req }: Context, next) => requests.run({ request: req }, next);

/**
 * Keeps the version of the client cache that a statement of this request has read, so that no other statement asks for it. Not
 * while the body is still arriving: a client that sends it slowly would go on as it was when the request began.
 */
export function rememberVersion(version: number): void {
  const seen = seenByRequest();
  if (seen.request?.complete) seen.version ??= version;
}

/** The user whose login this request has proved, if it is the one with this id. */
export function provedUser(id: unknown): User | null {
  const { proved } = seenByRequest();
  return proved && proved.id === id ? proved : null;
}

/** The memory of this request; an empty one outside of any. */
export function seenByRequest(): Seen {
  return requests.getStore() ?? {};
}
