// The place of a request in the queue for password hashes.
import type { Middleware } from 'koa';
import type { Config } from '../../../config/index.ts';
import { onBehalfOf } from '../../core/passwords/password_hash.ts';
import { networkOf } from '../../lib/network.ts';

/** Queues the password hashes of a request by the network of its client, so that networks take turns. */
export function queuePasswordHashes({ passwordQueue }: Config): Middleware {
  return (ctx, next) => {
    const requester = {
      // Not a getter: an object with one costs a third of an introspection.
      key: networkOf(ctx.ip),
      isDisconnected: () => !ctx.writable,
      capacity: passwordQueue,
    };
    return onBehalfOf(requester, next);
  };
}
