// The parameters of the password grant and the claims of its ID tokens, for both entrances.
import { deviceParameters } from '../core/users/devices.ts';

/**
 * The claims about the login (its time and method) in every ID token of the session, refreshes included. The form is that of
 * the parameter `claims` (OpenID Connect Core 1.0, 5.5).
 */
export const idTokenClaims = { id_token: { auth_time: null, amr: null } };

/** The parameters that the grant reads; only `resource` may be sent more than once. */
export const passwordParameters = [
  'username',
  'password',
  'scope',
  'resource',
  ...Object.keys(deviceParameters.shape),
];
