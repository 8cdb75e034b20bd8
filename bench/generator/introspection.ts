// Introspections by a resource server with a secret: the same token again and again, or tokens never asked about before.
import type { Chain } from './drive.ts';
import { formRequests } from './http.ts';
import type { Traces } from './loads.ts';
import { readClaims } from './refresh.ts';

export interface IntrospectionLoad {
  kind: 'introspection';
  url: string;
  /** The `Authorization` of the caller. */
  authorization: string;
  /** The token of each chain; none when each request takes a new one from the load that this one follows. */
  repeated: string[];
  chains: number;
}

/** Chains that introspect. A chain of new tokens ends when they are used up. */
export function introspectionChains(load: IntrospectionLoad, { kept }: Traces): Chain[] {
  const request = formRequests(load.url, '/introspect', `Authorization: ${load.authorization}\r\n`);
  return Array.from({ length: load.chains }, (_, index) => {
    const own = load.repeated[index];
    let asked: string | undefined = own;
    let expected = own === undefined ? null : readClaims(own);
    return {
      next() {
        if (own === undefined) {
          asked = kept.pop();
          if (asked === undefined) return null;
          expected = readClaims(asked);
        }
        return request(`token=${asked}`);
      },
      take(status, body) {
        const answer = status === 200 ? (JSON.parse(body) as Record<string, unknown>) : {};
        const isRight =
          answer.active === true &&
          answer.jti === expected?.jti &&
          answer.sub === expected?.sub &&
          answer.sid === expected?.sid;
        if (!isRight) throw new Error(`an introspection was answered ${status}: ${body}`);
      },
    };
  });
}
