// The grants that Kindred answers itself, for both entrances. Codes and device codes are exchanged by the engine.
import { clientCredentials, clientCredentialsParameters } from './client_credentials.ts';
import type { Grant } from './grant.ts';
import { passwordGrant, passwordParameters } from './password.ts';
import { refresh, refreshParameters } from './refresh.ts';

/** Each grant by its `grant_type`, with the parameters that it reads; only `resource` may be sent more than once. */
export const grantTable: ReadonlyMap<string, { grant: Grant; parameters: readonly string[] }> = new Map([
  ['password', { grant: passwordGrant, parameters: passwordParameters }],
  ['client_credentials', { grant: clientCredentials, parameters: clientCredentialsParameters }],
  ['refresh_token', { grant: refresh, parameters: refreshParameters }],
]);
