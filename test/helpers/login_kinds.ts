// Cases of login_cases.ts: the kinds of tokens, and the answers to each client and each way to authenticate.
import type { LoginCase } from './login_cases.ts';
import {
  type ClientName,
  certificate,
  opaque,
  orders,
  quick,
  unregistered,
  type Way,
} from './twin_clients.ts';
import { issuer, ownApi } from './twins.ts';

const withMail = { email: 'x@example.test', roles: ['admin'] };
const certified = { headers: { 'X-Client-Certificate': certificate } };

/** The kinds of sessions and tokens. */
export const kinds: Record<string, LoginCase> = {
  'openid, profile and email': {
    answer:
      'Bearer JWT for https://id.example.test/api: openid profile email account, ID token with amr,aud,auth_time,email,email_verified,exp,iat,iss,preferred_username,sid,sub,updated_at, refresh_token',
    fast: true,
    user: withMail,
    form: { scope: 'openid profile email account' },
  },
  'openid without an address': {
    answer:
      'Bearer JWT for https://id.example.test/api: openid email, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    fast: true,
    form: { scope: 'openid email' },
  },
  'openid alone': {
    answer:
      'Bearer JWT for https://id.example.test/api: openid, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    fast: true,
    form: { scope: 'openid' },
  },
  'openid at another API': {
    answer:
      'Bearer JWT for https://orders.example.test/: openid orders:read, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    fast: true,
    form: { scope: 'openid orders:read', resource: orders },
  },
  'all scopes of several APIs': {
    answer: 'Bearer JWT for https://orders.example.test/: orders:read orders:write, refresh_token',
    fast: true,
    form: { resource: [orders, quick, opaque] },
  },
  'our own API beside another': {
    answer: 'Bearer JWT for https://orders.example.test/: orders:read, refresh_token',
    fast: true,
    form: { resource: [orders, ownApi], scope: 'account orders:read' },
  },
  'one API twice': {
    answer: 'Bearer JWT for https://orders.example.test/: orders:read orders:write, refresh_token',
    fast: true,
    form: { resource: [orders, orders] },
  },
  'too many APIs': {
    answer: '400 invalid_target: A request can name at most 20 resources.',
    fast: false,
    form: { resource: Array.from({ length: 21 }, (_, i) => `${orders}${i}`) },
  },
  'an API that is not registered': {
    answer: '400 invalid_target: No resource server is registered as https://unregistered.example.test/.',
    fast: true,
    form: { resource: unregistered },
  },
  'an API with a fragment': {
    answer: '400 invalid_target: resource indicator must not contain a fragment component',
    fast: true,
    form: { resource: `${orders}#part` },
  },
  'an API that is no URI': {
    answer: '400 invalid_target: resource indicator must be an absolute URI',
    fast: true,
    form: { resource: 'orders' },
  },
  'a scope of another API than the named one': {
    answer:
      '400 invalid_scope: The scope quick:read is unknown or not allowed here. A scope of an API needs that API in the parameter resource.',
    fast: true,
    form: { resource: orders, scope: 'quick:read' },
  },
  'a scope at an API of opaque tokens': {
    answer:
      'Bearer opaque: openid opaque:read, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    fast: true,
    form: { resource: opaque, scope: 'opaque:read openid' },
  },
  'admin of an administrator': {
    answer: 'Bearer JWT for https://id.example.test/api: admin account, refresh_token',
    client: 'administrative',
    fast: true,
    user: withMail,
    form: { scope: 'admin account' },
  },
  'admin of an administrator, not asked for': {
    answer:
      'Bearer JWT for https://id.example.test/api: openid account, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    client: 'administrative',
    fast: true,
    user: withMail,
  },
  'a proof': {
    answer: 'DPoP JWT for https://id.example.test/api, bound by jkt: account, refresh_token',
    fast: true,
    proof: {},
  },
  'a proof of a client that must send one': {
    answer: 'DPoP JWT for https://id.example.test/api, bound by jkt: account, refresh_token',
    client: 'proving',
    fast: true,
    proof: {},
  },
  'no proof of a client that must send one': {
    answer: '400 invalid_grant: A DPoP proof is needed here, and the request has none.',
    client: 'proving',
    fast: true,
  },
  'a proof of a confidential client': {
    answer: 'DPoP JWT for https://id.example.test/api, bound by jkt: account, refresh_token',
    client: 'post',
    fast: true,
    proof: {},
  },
  'a proof with openid': {
    answer:
      'DPoP JWT for https://id.example.test/api, bound by jkt: openid account, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    fast: true,
    proof: {},
    form: { scope: 'openid account' },
  },
  'a proof at an API of opaque tokens': {
    answer: 'DPoP opaque: opaque:read, refresh_token',
    fast: true,
    proof: {},
    form: { resource: opaque },
  },
  'a proof and a wrong password': {
    answer: '400 invalid_grant: Wrong username or password.',
    fast: true,
    proof: {},
    form: { password: 'wrong' },
  },
  'a proof that is old': {
    answer: '400 invalid_dpop_proof: DPoP proof iat is not recent enough',
    fast: true,
    proof: { iat: 1_700_000_000 },
  },
  'a proof for another method': {
    answer: '400 invalid_dpop_proof: DPoP proof htm mismatch',
    fast: true,
    proof: { htm: 'GET' },
  },
  'a proof for another URL': {
    answer: '400 invalid_dpop_proof: DPoP proof htu mismatch',
    fast: true,
    proof: { htu: `${issuer}/revoke` },
  },
  'a proof without a jti': {
    answer: '400 invalid_dpop_proof: DPoP proof must have a jti string property',
    fast: true,
    proof: { jti: undefined },
  },
  'a proof with a nonce': {
    answer: '400 invalid_dpop_proof: DPoP nonces are not supported',
    fast: true,
    proof: { nonce: 'x' },
  },
  'a certificate': {
    answer: 'Bearer JWT for https://id.example.test/api, bound by x5t#S256: account, refresh_token',
    client: 'certified',
    fast: true,
    question: certified,
  },
  'no certificate of a client that must have one': {
    answer: '400 invalid_grant: A client certificate is needed here, and the request has none.',
    client: 'certified',
    fast: true,
  },
  'a certificate that is none': {
    answer: '400 invalid_grant: A client certificate is needed here, and the request has none.',
    client: 'certified',
    fast: true,
    question: { headers: { 'X-Client-Certificate': 'x' } },
  },
  'a certificate of a client that needs none': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
    question: certified,
  },
  'a third party': {
    answer: '400 unauthorized_client: The client may not use this grant type.',
    client: 'third',
    form: { scope: 'profile' },
  },
};

export const ofClients: Record<ClientName, string> = {
  strict: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  spa: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  mobile: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  observe: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  bound:
    'Bearer JWT for https://id.example.test/api: openid account, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
  administrative:
    'Bearer JWT for https://id.example.test/api: openid account, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
  hasty: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  loginOnly: 'Bearer JWT for https://id.example.test/api: account',
  proving: '400 invalid_grant: A DPoP proof is needed here, and the request has none.',
  certified: '400 invalid_grant: A client certificate is needed here, and the request has none.',
  basic: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  post: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  twice: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  odd: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  expired: '401 invalid_client: client authentication failed',
  keyed: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  third: '400 unauthorized_client: The client may not use this grant type.',
  itself: '400 unauthorized_client: The client may not use this grant type.',
  document: '401 invalid_client: client authentication failed',
  gateway: '400 unauthorized_client: The client may not use this grant type.',
  orders: '400 unauthorized_client: The client may not use this grant type.',
  others: '400 unauthorized_client: The client may not use this grant type.',
  machine: '400 unauthorized_client: The client may not use this grant type.',
  robot: '400 unauthorized_client: The client may not use this grant type.',
  provingRobot: '400 unauthorized_client: The client may not use this grant type.',
  certifiedRobot: '400 unauthorized_client: The client may not use this grant type.',
  notified: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
};

export const ofWays: Record<Way, string> = {
  registered: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  basic: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  post: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  name: '401 invalid_client: client authentication failed',
  'wrong basic': '401 invalid_client: client authentication failed',
  'wrong post': '401 invalid_client: client authentication failed',
  second: '401 invalid_client: client authentication failed',
  both: '400 invalid_request: client authentication must only be provided using one mechanism',
  mismatch: '400 invalid_request: client_id mismatch',
  'named basic': 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  encoded: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  'half encoded': '401 invalid_client: client authentication failed',
  malformed: '400 invalid_request: invalid authorization header value format',
  unpadded: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  bearer: '401 invalid_client: Clients authenticate here with Basic, or with parameters in the body.',
  nobody: '400 invalid_request: no client authentication mechanism provided',
  unknown: '401 invalid_client: client authentication failed',
  another: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  nul: '401 invalid_client: client authentication failed',
  'empty header': '400 invalid_request: invalid authorization header value format',
  'empty secret': '401 invalid_client: client authentication failed',
};

export const ofWaysOfPublicClients: Record<Way, string> = {
  registered: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  basic: '401 invalid_client: client authentication failed',
  post: '401 invalid_client: client authentication failed',
  name: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  'wrong basic': '401 invalid_client: client authentication failed',
  'wrong post': '401 invalid_client: client authentication failed',
  second: '401 invalid_client: client authentication failed',
  both: '400 invalid_request: client authentication must only be provided using one mechanism',
  mismatch: '400 invalid_request: client_id mismatch',
  'named basic': '401 invalid_client: client authentication failed',
  encoded: '401 invalid_client: client authentication failed',
  'half encoded': '401 invalid_client: client authentication failed',
  malformed: '400 invalid_request: invalid authorization header value format',
  unpadded: '401 invalid_client: client authentication failed',
  bearer: '401 invalid_client: Clients authenticate here with Basic, or with parameters in the body.',
  nobody: '400 invalid_request: no client authentication mechanism provided',
  unknown: '401 invalid_client: client authentication failed',
  another: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
  nul: '401 invalid_client: client authentication failed',
  'empty header': '400 invalid_request: invalid authorization header value format',
  'empty secret': 'Bearer JWT for https://id.example.test/api: account, refresh_token',
};
