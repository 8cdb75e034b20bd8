// Describes a user agent as people would, so that its owner recognizes it. No decision depends on the result.

// Most user agents also name several other browsers; the first match in this order is the real one.
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

// User agents of browsers are shorter; more than this is not read.
const maxLength = 512;

export type DeviceKind = 'phone' | 'computer' | 'other';

/** "Firefox on Linux", "An app on Android", "curl"; "Unknown device" when nothing is recognized. */
export function describeUserAgent(userAgent: string | null | undefined): string {
  const text = (userAgent ?? '').slice(0, maxLength);
  const program = browsers.find(([pattern]) => pattern.test(text))?.[1] ?? productOf(text);
  const system = systems.find(([pattern]) => pattern.test(text))?.[1];
  if (program && system) return `${program} on ${system}`;
  return program ?? (system ? `An app on ${system}` : 'Unknown device');
}

/** Whether it names a browser or an operating system, and not only the HTTP library. */
export function isRecognized(userAgent: string | null | undefined): boolean {
  const text = (userAgent ?? '').slice(0, maxLength);
  return [...browsers, ...systems].some(([pattern]) => pattern.test(text));
}

/** The kind of device, from the platform that the client named, or else from the user agent. */
export function deviceKind(
  platform: string | null | undefined,
  userAgent: string | null | undefined,
): DeviceKind {
  for (const text of [platform ?? '', userAgent ?? '']) {
    const kind = systems.find(([pattern]) => pattern.test(text.slice(0, maxLength)))?.[2];
    if (kind) return kind;
  }
  return 'other';
}

// "okhttp/4.12.0" starts with a useful name; "Mozilla" and "Dalvik" are sent by many programs.
function productOf(text: string): string | undefined {
  const name = /^[A-Za-z][\w.-]{0,29}(?=[/\s]|$)/.exec(text)?.[0];
  return name && !['Mozilla', 'Dalvik'].includes(name) ? name : undefined;
}
