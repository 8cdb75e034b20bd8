// Values that a client sent, in texts that it gets back.

/** A value as it may stand in an `error_description` (RFC 6749, 5.2), cut where it is long. */
export function quote(value: unknown): string {
  const text = String(value);
  const short = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return short.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}
