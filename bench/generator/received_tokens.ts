// The access tokens that a load's chains receive, and what they claim.

/** What the chains of a load leave behind for checks and for other loads. */
export interface ReceivedTokens {
  /** The newest access token of each chain. */
  newest: Map<string, string>;
  /** Every access token that a load with `keep` received; another load uses them up. */
  kept: string[];
}

/** The claims of a JWT; its signature is not checked. An opaque token claims nothing. */
export function readClaims(token: string): Record<string, unknown> {
  if (!token.includes('.')) return {};
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}
