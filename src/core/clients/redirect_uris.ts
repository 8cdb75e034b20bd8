// Where answers may be sent: which redirect URIs belong to apps on a device (RFC 8252, 7), and which belong to nobody.

const loopbacks = new Set(['localhost', '127.0.0.1', '[::1]']);

// Schemes that a browser or system acts on by itself, so that no app of that name would get the answer.
const refused = new Set(
  `about android-app blob chrome chrome-extension content data edge facetime file filesystem ftp ftps geo git intent jar javascript
   ldap ldaps mailto market moz-extension ms-appinstaller ms-msdt ms-search ms-settings opera resource res search-ms sftp sip sips
   smb sms ssh tel telnet vbscript view-source wss ws x-apple.systempreferences`.split(/\s+/),
);

function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && loopbacks.has(hostname);
}

/** Whether only an app on a device can be behind this URI: a loopback address by http, or a scheme of its own. */
export function isNativeUri(uri: string): boolean {
  const url = URL.parse(uri);
  return url !== null && (isLoopback(url) || !['http:', 'https:'].includes(url.protocol));
}

/** `native` for a client all of whose redirect URIs are those of apps on a device, else undefined. */
export function inferredType(redirect_uris: readonly string[] = []): 'native' | undefined {
  return redirect_uris.length > 0 && redirect_uris.every(isNativeUri) ? 'native' : undefined;
}

/**
 * Why a client that nobody vouches for may not have this redirect URI, or null. What is sent there over plain http can be
 * read on the way, and a scheme that the browser itself understands leads past any app.
 */
export function findUriProblem(uri: string): string | null {
  const url = URL.parse(uri);
  if (!url) return 'must be valid URIs';
  if (url.protocol === 'https:' || isLoopback(url)) return null;
  if (url.protocol === 'http:') return 'must be https, but for loopback addresses';
  return refused.has(url.protocol.slice(0, -1))
    ? `must not have the scheme ${url.protocol.slice(0, -1)}`
    : null;
}
