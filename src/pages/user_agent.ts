// A user agent in the words people use for it. Meant to be recognized by its owner, and nothing is decided by it.

// Most say that they are several others too; the first that matches is what they are.
const browsers: [pattern: RegExp, name: string][] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\b(OPR|Opera|OPiOS)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|Chromium|CriOS|HeadlessChrome)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];

const systems: [pattern: RegExp, name: string, kind: DeviceKind][] = [
  [/\biPhone\b|^ios$/i, 'iPhone', 'phone'],
  [/\biPad\b|^ipados$/i, 'iPad', 'phone'],
  [/\bAndroid\b/i, 'Android', 'phone'],
  [/\bCrOS\b|^chromeos$/i, 'ChromeOS', 'computer'],
  [/\bWindows\b/i, 'Windows', 'computer'],
  [/\bMacintosh\b|\bMac OS X\b|^macos$/i, 'Mac', 'computer'],
  [/\bLinux\b|\bX11\b/i, 'Linux', 'computer'],
];

// Real ones are shorter; what others send need not be read.
const longest = 512;

export type DeviceKind = 'phone' | 'computer' | 'other';

/** "Firefox on Linux", "An app on Android", "curl"; "Unknown device" when it says nothing of use. */
export function describeUserAgent(userAgent: string | null | undefined): string {
  const text = (userAgent ?? '').slice(0, longest);
  const what = browsers.find(([pattern]) => pattern.test(text))?.[1] ?? productOf(text);
  const where = systems.find(([pattern]) => pattern.test(text))?.[1];
  if (what && where) return `${what} on ${where}`;
  return what ?? (where ? `An app on ${where}` : 'Unknown device');
}

/** Whether it names a browser or a system, and not only the library that sent a request. */
export function isRecognized(userAgent: string | null | undefined): boolean {
  const text = (userAgent ?? '').slice(0, longest);
  return [...browsers, ...systems].some(([pattern]) => pattern.test(text));
}

/** What sort of thing it runs on, from what the client said of the platform, or else from the user agent. */
export function deviceKind(
  platform: string | null | undefined,
  userAgent: string | null | undefined,
): DeviceKind {
  for (const text of [platform ?? '', userAgent ?? '']) {
    const kind = systems.find(([pattern]) => pattern.test(text.slice(0, longest)))?.[2];
    if (kind) return kind;
  }
  return 'other';
}

// "okhttp/4.12.0" is a name; what everybody says of themselves is none.
function productOf(text: string): string | undefined {
  const name = /^[A-Za-z][\w.-]{0,29}(?=[/\s]|$)/.exec(text)?.[0];
  return name && !['Mozilla', 'Dalvik'].includes(name) ? name : undefined;
}
