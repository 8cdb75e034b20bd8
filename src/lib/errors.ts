// The error type of every refusal, and the table of their statuses and public texts.

interface Refusal {
  status: number;
  /** OAuth or machine error code. */
  error: string;
  description: string;
}

const table = {
  invalid_request: { status: 400, error: 'invalid_request', description: 'the request is malformed' },
  invalid_json: { status: 400, error: 'invalid_request', description: 'the body is not valid JSON in UTF-8' },
  body_too_large: { status: 413, error: 'invalid_request', description: 'the body is too large' },
  unsupported_media_type: {
    status: 415,
    error: 'invalid_request',
    description: 'this endpoint takes application/json',
  },
  invalid_token: {
    status: 401,
    error: 'invalid_token',
    description: 'the access token is missing, expired or not valid here',
  },
  insufficient_scope: {
    status: 403,
    error: 'insufficient_scope',
    description: 'the access token does not allow this',
  },
  not_found: { status: 404, error: 'not_found', description: 'there is nothing here' },
  session_not_found: { status: 404, error: 'not_found', description: 'there is no such session' },
  device_not_found: { status: 404, error: 'not_found', description: 'there is no such device' },
  user_not_found: { status: 404, error: 'not_found', description: 'there is no such user' },
  method_not_allowed: {
    status: 405,
    error: 'method_not_allowed',
    description: 'this path does not take that method',
  },
  consent_not_found: { status: 404, error: 'not_found', description: 'there is no such consent' },
  client_not_found: { status: 404, error: 'not_found', description: 'there is no such client' },
  client_secret_not_found: { status: 404, error: 'not_found', description: 'there is no such client secret' },
  resource_server_not_found: {
    status: 404,
    error: 'not_found',
    description: 'there is no such resource server',
  },
  not_yourself: {
    status: 409,
    error: 'not_yourself',
    description: 'an administrator cannot do this to themself',
  },
  wrong_status: {
    status: 409,
    error: 'wrong_status',
    description: 'the status of the user does not allow this',
  },
  last_admin: { status: 409, error: 'last_admin', description: 'this would leave no administrator' },
  too_many_secrets: {
    status: 409,
    error: 'too_many_secrets',
    description: 'a client has at most two live secrets',
  },
  last_secret: {
    status: 409,
    error: 'last_secret',
    description: 'this would leave the client without a secret',
  },
  key_too_young: {
    status: 409,
    error: 'key_too_young',
    description: 'the upcoming key has not been published for long enough',
  },
  username_taken: { status: 409, error: 'username_taken', description: 'this username is taken' },
  email_taken: { status: 409, error: 'email_taken', description: 'this e-mail address is taken' },
  client_exists: { status: 409, error: 'client_exists', description: 'a client with this client_id exists' },
  resource_server_exists: {
    status: 409,
    error: 'resource_server_exists',
    description: 'a resource server with this identifier exists',
  },
  invalid_client_metadata: {
    status: 400,
    error: 'invalid_client_metadata',
    description: 'the client metadata is not valid',
  },
  // `reason` tells which rule of core/passwords/password_policy.ts the password breaks.
  weak_password: { status: 400, error: 'weak_password', description: 'the new password is not good enough' },
  invalid_grant: { status: 400, error: 'invalid_grant', description: 'the grant is not valid' },
  // 403 and not 401: the access token is valid, and the client must not discard it.
  invalid_credentials: {
    status: 403,
    error: 'invalid_credentials',
    description: 'the current password is wrong',
  },
  password_not_set: {
    status: 409,
    error: 'password_not_set',
    description: 'this user has no password that could be changed',
  },
  rate_limited: { status: 429, error: 'rate_limited', description: 'too many requests; try again later' },
  server_error: { status: 500, error: 'server_error', description: 'something went wrong on our side' },
  overloaded: {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'too many passwords wait to be verified; try again soon',
  },
  unavailable: {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'the service is temporarily unavailable; try again soon',
  },
} satisfies Record<string, Refusal>;

export type ErrorName = keyof typeof table;

/**
 * A refusal whose text the caller sees. `detail` replaces the table's text, so it must not contain a secret; `retryAfter` is
 * in seconds; `reason` is a stable code beside the error.
 */
export class AppError extends Error {
  readonly code: ErrorName;
  readonly status: number;
  readonly error: string;
  readonly retryAfter: number | undefined;
  readonly reason: string | undefined;

  constructor(
    code: ErrorName,
    detail?: string,
    options: { retryAfter?: number; reason?: string; cause?: unknown } = {},
  ) {
    super(detail ?? table[code].description, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = table[code].status;
    this.error = table[code].error;
    this.retryAfter = options.retryAfter;
    this.reason = options.reason;
  }
}
