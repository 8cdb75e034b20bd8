// The paths of the links in mails. The segment after the name is a secret, which no log, trace or error may show.

/** The first segment of each path below which a secret stands. */
export const linkPaths = [
  'recover',
  'verify-email',
  'sign-up',
  'invitation',
  'undo-email',
  'not-me',
] as const;

export type LinkPath = (typeof linkPaths)[number];

const secret = /^[\w-]{43}$/;

/** Whether a text has the form of the secret part of a link. */
export function isLinkToken(text: string): boolean {
  return secret.test(text);
}

// Routers ignore the case of a path and a slash at its end; what a person mistypes may have more slashes.
const withSecret = new RegExp(`^(/+(?:${linkPaths.join('|')})/+)[^/]{20,}`, 'i');

/** A path as logs show it: the secret of a link becomes an ellipsis. */
export function withoutSecret(path: string): string {
  return path.replace(withSecret, '$1…');
}
