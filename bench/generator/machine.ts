// Logins of clients that act for no user (RFC 6749, 4.4).
import type { Chain } from './drive.ts';
import { basic, formRequests } from './http.ts';
import { type ReceivedTokens, readClaims } from './received_tokens.ts';

export interface MachineLoad {
  kind: 'client_credentials';
  url: string;
  caller: { client_id: string; client_secret: string };
  scope: string;
  chains: number;
}

/** Chains that take access tokens for the client itself. */
export function machineChains(
  { url, caller, scope, chains }: MachineLoad,
  received: ReceivedTokens,
): Chain[] {
  const request = formRequests(url, '/token', basic(caller));
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope }).toString();
  return Array.from({ length: chains }, (_, index) => ({
    next: () => request(form),
    take(status: number, body: string) {
      if (status !== 200) throw new Error(`a client was answered ${status}: ${body}`);
      const { access_token } = JSON.parse(body) as { access_token: string };
      if (readClaims(access_token).client_id !== caller.client_id)
        throw new Error(`not a token of it: ${body}`);
      received.newest.set(String(index), access_token);
    },
  }));
}
