// The statuses and public texts of all refusals. A text is a sentence with a full stop; a text about one member of a request is
// `member: problem` (lower case, no full stop), as schemas report it.

interface Refusal {
  status: number;
  /** OAuth or machine error code. */
  error: string;
  description: string;
}

export const errorTable = {
  invalid_request: { status: 400, error: 'invalid_request', description: 'The request is malformed.' },
  invalid_json: {
    status: 400,
    error: 'invalid_request',
    description: 'The body is not valid JSON in UTF-8.',
  },
  body_too_large: { status: 413, error: 'invalid_request', description: 'The body is too large.' },
  unsupported_media_type: {
    status: 415,
    error: 'invalid_request',
    description: 'This endpoint requires application/json.',
  },
  invalid_token: {
    status: 401,
    error: 'invalid_token',
    description: 'The access token is missing, has expired, or is not valid here.',
  },
  insufficient_scope: {
    status: 403,
    error: 'insufficient_scope',
    description: 'The access token does not allow this.',
  },
  not_found: { status: 404, error: 'not_found', description: 'There is nothing at this path.' },
  session_not_found: { status: 404, error: 'not_found', description: 'There is no such session.' },
  device_not_found: { status: 404, error: 'not_found', description: 'There is no such device.' },
  user_not_found: { status: 404, error: 'not_found', description: 'There is no such user.' },
  method_not_allowed: {
    status: 405,
    error: 'method_not_allowed',
    description: 'This path does not support the method.',
  },
  consent_not_found: { status: 404, error: 'not_found', description: 'There is no such consent.' },
  client_not_found: { status: 404, error: 'not_found', description: 'There is no such client.' },
  client_secret_not_found: {
    status: 404,
    error: 'not_found',
    description: 'There is no such client secret.',
  },
  resource_server_not_found: {
    status: 404,
    error: 'not_found',
    description: 'There is no such resource server.',
  },
  not_yourself: {
    status: 409,
    error: 'not_yourself',
    description: 'Administrators cannot do this to themselves.',
  },
  wrong_status: {
    status: 409,
    error: 'wrong_status',
    description: 'The status of the user does not allow this.',
  },
  last_admin: {
    status: 409,
    error: 'last_admin',
    description: 'At least one active administrator must remain.',
  },
  too_many_secrets: {
    status: 409,
    error: 'too_many_secrets',
    description: 'A client can have at most two live secrets.',
  },
  last_secret: {
    status: 409,
    error: 'last_secret',
    description: 'The last secret of a client cannot be removed.',
  },
  key_too_young: {
    status: 409,
    error: 'key_too_young',
    description: 'The upcoming key has not been published for long enough.',
  },
  username_taken: { status: 409, error: 'username_taken', description: 'This username is taken.' },
  email_taken: { status: 409, error: 'email_taken', description: 'This e-mail address is taken.' },
  client_exists: {
    status: 409,
    error: 'client_exists',
    description: 'A client with this client_id already exists.',
  },
  resource_server_exists: {
    status: 409,
    error: 'resource_server_exists',
    description: 'A resource server with this identifier already exists.',
  },
  invalid_client_metadata: {
    status: 400,
    error: 'invalid_client_metadata',
    description: 'The client metadata is not valid.',
  },
  // `reason` tells which rule of core/passwords/password_policy.ts the password breaks.
  weak_password: { status: 400, error: 'weak_password', description: 'The new password is too weak.' },
  invalid_grant: { status: 400, error: 'invalid_grant', description: 'The grant is not valid.' },
  invalid_client: {
    status: 401,
    error: 'invalid_client',
    description: 'The client could not be authenticated.',
  },
  unauthorized_client: {
    status: 400,
    error: 'unauthorized_client',
    description: 'The client may not use this grant type.',
  },
  invalid_scope: {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is unknown or not allowed here.',
  },
  invalid_target: {
    status: 400,
    error: 'invalid_target',
    description: 'The resource is missing, or unknown.',
  },
  invalid_dpop_proof: {
    status: 400,
    error: 'invalid_dpop_proof',
    description: 'The DPoP proof is not valid.',
  },
  // 403 and not 401: the access token is valid, and the client must not discard it.
  invalid_credentials: {
    status: 403,
    error: 'invalid_credentials',
    description: 'The current password is wrong.',
  },
  password_not_set: {
    status: 409,
    error: 'password_not_set',
    description: 'This user has no password to change.',
  },
  invalid_code: {
    status: 400,
    error: 'invalid_code',
    description: 'The code or link is wrong, was used, or has expired.',
  },
  // draft-ietf-oauth-first-party-apps-04, 5.2.
  insufficient_authorization: {
    status: 400,
    error: 'insufficient_authorization',
    description: 'The login needs another step.',
  },
  invalid_session: { status: 400, error: 'invalid_session', description: 'The auth_session is not valid.' },
  invalid_claims: { status: 400, error: 'invalid_claims', description: 'The claims are longer than 4 KiB.' },
  email_domain_not_allowed: {
    status: 400,
    error: 'email_domain_not_allowed',
    description: 'Addresses of this domain are not allowed here.',
  },
  email_not_verified: {
    status: 409,
    error: 'email_not_verified',
    description: 'The user has no verified e-mail address.',
  },
  user_not_active: { status: 409, error: 'user_not_active', description: 'The user is banned or disabled.' },
  invitation_not_found: { status: 404, error: 'not_found', description: 'There is no such invitation.' },
  device_signed_out: { status: 409, error: 'device_signed_out', description: 'No session is live there.' },
  message_not_found: { status: 404, error: 'not_found', description: 'There is no such message.' },
  // RFC 9470, 3: the caller may act, but has to prove again who they are.
  insufficient_user_authentication: {
    status: 401,
    error: 'insufficient_user_authentication',
    description: 'This needs a more recent login.',
  },
  // The rule that an administrator neither acts on a user who has more rights nor gives rights that they lack.
  right_missing: {
    status: 403,
    error: 'right_missing',
    description: 'You lack a right that this user has or would get.',
  },
  rate_limited: { status: 429, error: 'rate_limited', description: 'Too many requests. Try again later.' },
  server_error: { status: 500, error: 'server_error', description: 'An internal error occurred.' },
  overloaded: {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'The server is busy verifying passwords. Try again soon.',
  },
  unavailable: {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'The service is temporarily unavailable. Try again soon.',
  },
  document_unavailable: {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'The metadata document of the client cannot be fetched. Try again soon.',
  },
} satisfies Record<string, Refusal>;
