// The description of an endpoint for the generators, and the grants of the token endpoint.
import { password } from '../../helpers/builders.ts';

export interface Endpoint {
  method: string;
  /** Segments; a reference is sometimes replaced by another text. */
  path: string[];
  fields?: Record<string, string[]>;
  isJson?: boolean;
  cookies?: string;
  /** The bearer token that it requires. */
  token?: string;
}

/** The redirect URI of the web client of these tests. */
export const callback = 'https://app.example/cb';
/** The authentication of confidential clients. */
export const client = {
  client_id: ['{{machine_id}}', '{{machine_id}}', '{{client_id}}', '{{web_client_id}}', 'gateway'],
  client_secret: ['{{machine_secret}}', '{{machine_secret}}', ''],
};
/** The identification of a public client. */
export const publicClient = { client_id: ['{{client_id}}'] };

/** A request for each grant. */
export const grants: Endpoint[] = [
  {
    method: 'POST',
    path: ['token'],
    fields: {
      grant_type: ['password'],
      client_id: ['{{client_id}}'],
      username: ['{{username}}'],
      password: [password],
      scope: ['', 'openid account', 'orders:read'],
      resource: ['', '{{resource}}'],
      device_id: ['phone', ''],
      device_name: ['My phone'],
      platform: ['ios', ''],
      app_version: ['1.2'],
      push_token: ['push'],
    },
  },
  {
    method: 'POST',
    path: ['token'],
    fields: {
      grant_type: ['refresh_token'],
      ...publicClient,
      refresh_token: ['{{refresh_token}}', '{{used_refresh_token}}'],
      scope: ['', 'openid'],
      resource: ['', '{{resource}}'],
    },
  },
  {
    method: 'POST',
    path: ['token'],
    fields: {
      grant_type: ['authorization_code'],
      client_id: ['{{web_client_id}}'],
      code: ['{{code}}'],
      redirect_uri: [callback],
      code_verifier: ['{{code_verifier}}'],
      resource: ['', '{{resource}}'],
    },
  },
  {
    method: 'POST',
    path: ['token'],
    fields: {
      grant_type: ['client_credentials'],
      ...client,
      scope: ['', 'admin'],
      resource: ['', '{{resource}}'],
    },
  },
  {
    method: 'POST',
    path: ['token'],
    fields: {
      grant_type: ['urn:ietf:params:oauth:grant-type:device_code'],
      ...publicClient,
      device_code: ['{{device_code}}'],
    },
  },
  {
    method: 'POST',
    path: ['token'],
    fields: {
      grant_type: ['client_credentials', 'implicit', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      client_assertion: ['{{assertion}}', '{{user_token}}'],
      client_assertion_type: ['urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
      client_id: ['', '{{machine_id}}'],
    },
  },
];
