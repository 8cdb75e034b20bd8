// What both ways of the password grant share: the parameters of its request, and the claims of its ID tokens.
import { deviceParameters } from '../core/users/devices.ts';

/**
 * The claims that every ID token of the session has, also those of its refreshes: when and how the user logged in. In the
 * form of the parameter `claims` (OpenID Connect Core 1.0, 5.5).
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
