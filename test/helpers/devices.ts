// A device that its user connects in the browser (RFC 8628), with openid-client on the device.
import * as oidc from 'openid-client';
import { passPages, type Scene } from './code_flow.ts';

export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** Approves the device of `scene` in its browser, where the user may be signed in already; returns the device's tokens. */
export async function connectDevice(
  scene: Scene,
  started?: oidc.DeviceAuthorizationResponse,
): Promise<oidc.TokenEndpointResponse> {
  const { ua, server, config } = scene;
  const device = started ?? (await oidc.initiateDeviceAuthorization(config, { scope: 'openid' }));
  const { device_code, user_code } = device;
  const typed = await ua.submit(await ua.open(`${server.issuer}/device`), '/device', { user_code });
  await passPages(scene, await ua.submit(typed, '/device', { confirm: 'yes' }));
  return await oidc.genericGrantRequest(config, deviceGrant, { device_code });
}
