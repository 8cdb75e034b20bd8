// Addresses as pages and mails hint at them, for readers who know the address already or are not to learn it.

/** `ada@example.com` as `a•••@example.com`. */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@');
  const [first = ''] = address.slice(0, Math.max(at, 0));
  return `${first}•••${address.slice(at)}`;
}
