// The values of parameters as clients write them: space around a value means nothing where no value can have any.

// Text that people choose, and values that the client compares or gets back: every character counts.
const exact = new Set([
  'password',
  'client_secret',
  'username',
  'device_name',
  'device_secret',
  'state',
  'nonce',
  'login_hint',
  'logout_hint',
  'redirect_uri',
  'post_logout_redirect_uri',
]);

/** Lists that are separated by single spaces (RFC 6749, 3.3). */
const lists = new Set(['scope', 'response_type', 'prompt', 'acr_values', 'ui_locales', 'claims_locales']);

/** A value without space around it; in a list also with single spaces between its members. */
export function tidyValue(name: string, value: string): string {
  // Tokens are long and have no space: this look costs a tenth of a more exact one.
  if (exact.has(name) || !/\s/.test(value)) return value;
  return lists.has(name) ? value.trim().replaceAll(/\s+/g, ' ') : value.trim();
}
