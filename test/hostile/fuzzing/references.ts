// Names in generated requests for values of a running server: `{{refresh_token}}`, or altered, `{{refresh_token|flip:7}}`.
// With them a failed request can be printed, shrunk and sent to another server, where the values differ.

/** Values that are no secret and may appear in a path and so in the log. */
export const publicNames = [
  'session_id',
  'ended_session_id',
  'user_id',
  'spare_user_id',
  'username',
  'device_id',
  'client_id',
  'web_client_id',
  'machine_id',
  'spare_client_id',
  'registered_client',
  'resource',
  'issuer',
  'interaction',
  'cursor',
  'browser_id',
] as const;

/** Secret values, which may appear nowhere. */
export const secretNames = [
  'user_token',
  'admin_token',
  'machine_token',
  'opaque_token',
  'refresh_token',
  'used_refresh_token',
  'id_token',
  'code',
  'code_verifier',
  'device_code',
  'user_code',
  'request_uri',
  'registration_token',
  'machine_secret',
  'machine_basic',
  'csrf',
  'xsrf',
  'cookies',
  'login_csrf',
  'login_cookies',
  'account_csrf',
  'account_cookies',
  'dpop_proof',
  'assertion',
] as const;

/** All names. */
export const referenceNames = [...publicNames, ...secretNames] as const;

export type ReferenceName = (typeof referenceNames)[number];

/** The values of the names on one server. */
export type References = Record<ReferenceName, string>;

const pattern = /\{\{(\w+)(?:\|(\w+):(\d+))?\}\}/g;

/** The text with every reference replaced by its value. */
export function resolve(text: string, references: References): string {
  return text.replaceAll(pattern, (all, name: string, change: string | undefined, at: string) => {
    const value = Object.hasOwn(references, name) ? references[name as ReferenceName] : undefined;
    return value === undefined ? all : bend(value, change, Number(at));
  });
}

function bend(value: string, change: string | undefined, at: number): string {
  const place = value.length === 0 ? 0 : at % value.length;
  switch (change) {
    case 'flip':
      return `${value.slice(0, place)}${value[place] === 'A' ? 'B' : 'A'}${value.slice(place + 1)}`;
    case 'cut':
      return value.slice(0, place);
    case 'twice':
      return value + value;
    case 'upper':
      return value.toUpperCase();
    case 'pad':
      return ` ${value}=`;
    default:
      return value;
  }
}
