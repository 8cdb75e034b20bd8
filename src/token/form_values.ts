// The values of a form as clients write them: space around a value means nothing where no value can have any.

// What people choose or the client computes over: every character counts.
const exact = new Set([
  'password',
  'client_secret',
  'username',
  'device_name',
  'device_secret',
  'state',
  'redirect_uri',
]);

/** A value without space around it; in a scope also with single spaces between its tokens (RFC 6749, 3.3). */
export function tidyValue(name: string, value: string): string {
  if (exact.has(name) || !/^\s|\s$|\s\s/.test(value)) return value;
  return name === 'scope' ? value.trim().replaceAll(/\s+/g, ' ') : value.trim();
}
