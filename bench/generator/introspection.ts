// Introspections by a resource server with a secret: of one token repeatedly, or of new tokens.
import type { Chain } from './drive.ts';
import { formRequests } from './http.ts';
import type { ReceivedTokens } from './received_tokens.ts';
import { readClaims } from './received_tokens.ts';

export interface IntrospectionLoad {
  kind: 'introspection';
  url: string;
  /** The caller's `Authorization` header. */
  authorization: string;
  /** The token of each chain; empty when each request takes a new token from the source load. */
  repeated: string[];
  chains: number;
}

/** Chains that introspect. A chain of new tokens ends when they are used up. */
export function introspectionChains(load: IntrospectionLoad, { kept }: ReceivedTokens): Chain[] {
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
