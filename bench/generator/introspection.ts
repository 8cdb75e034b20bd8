// Introspections by a resource server with a secret: of one token repeatedly, or of new tokens.
import type { Chain } from './drive.ts';
import { basic, formRequests } from './http.ts';
import type { ReceivedTokens } from './received_tokens.ts';
import { readClaims } from './received_tokens.ts';

export interface IntrospectionLoad {
  kind: 'introspection';
  url: string;
  /** The path of the endpoint, `/introspect` by default. */
  path?: string;
  /** The caller. */
  caller: { client_id: string; client_secret: string };
  /** The token of each chain; empty when each request takes a new token from the source load. */
  repeated: string[];
  chains: number;
}

/** Chains that introspect. A chain of new tokens ends when they are used up. */
export function introspectionChains(
  { url, path = '/introspect', caller, repeated, chains }: IntrospectionLoad,
  { kept }: ReceivedTokens,
): Chain[] {
  const request = formRequests(url, path, basic(caller));
  return Array.from({ length: chains }, (_, index) => {
    const own = repeated[index];
    let asked: string | undefined = own;
    let expected = own === undefined ? {} : readClaims(own);
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
        if (!describes(answer, expected)) throw new Error(`an introspection was answered ${status}: ${body}`);
      },
    };
  });
}

// An opaque token says nothing of itself: that its answer is of an active token of some user is all that can be checked.
function describes(answer: Record<string, unknown>, expected: Record<string, unknown>): boolean {
  if (answer.active !== true) return false;
  if (expected.jti === undefined) return typeof answer.sub === 'string';
  return answer.jti === expected.jti && answer.sub === expected.sub && answer.sid === expected.sid;
}
