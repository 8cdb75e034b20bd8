// Redirect URIs: which ones belong to apps on a device (RFC 8252, 7), and which ones a self-described client may not have.

const loopbacks = new Set(['localhost', '127.0.0.1', '[::1]']);

// Schemes that the browser or the operating system handles by itself, so the authorization response would not reach an app.
const refused = new Set(
  `about android-app blob chrome chrome-extension content data edge facetime file filesystem ftp ftps geo git intent jar javascript
   ldap ldaps mailto market moz-extension ms-appinstaller ms-msdt ms-search ms-settings opera resource res search-ms sftp sip sips
   smb sms ssh tel telnet vbscript view-source wss ws x-apple.systempreferences`.split(/\s+/),
);

function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && loopbacks.has(hostname);
}

/** Whether only an app on a device can receive this URI: an http loopback address, or a private scheme. */
export function isNativeUri(uri: string): boolean {
  const url = URL.parse(uri);
  return url !== null && (isLoopback(url) || !['http:', 'https:'].includes(url.protocol));
}

/** `native` when all redirect URIs of a client belong to apps on a device, else undefined. */
export function inferredType(redirect_uris: readonly string[] = []): 'native' | undefined {
  return redirect_uris.length > 0 && redirect_uris.every(isNativeUri) ? 'native' : undefined;
}

// Browsers accept more than URIs (RFC 3986): without `//` they take `https:app.example` as a path on the server that redirects to it, and
// they read a backslash as a slash and leave out control characters. The redirect sends the URI as it was registered.
function isMisread(uri: string): boolean {
  return /[\p{Cc}\s\\]/u.test(uri) || (/^https?:/i.test(uri) && !/^https?:\/\/[^/]/i.test(uri));
}

/**
 * Why a client that no administrator vouches for may not have this redirect URI, or null. A code sent over plain http can be
 * read on the network, and a scheme that the browser handles itself never reaches the app.
 */
export function findUriProblem(uri: string): string | null {
  const url = URL.parse(uri);
  if (!url || isMisread(uri)) return 'must be valid URIs';
  if (url.protocol === 'https:' || isLoopback(url)) return null;
  if (url.protocol === 'http:') return 'must be https, except for loopback addresses';
  return refused.has(url.protocol.slice(0, -1))
    ? `must not have the scheme ${url.protocol.slice(0, -1)}`
    : null;
}
