// Makes text from others safe and short enough for a page: names and URLs, and any HTML in them.

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Escapes a value that a template prints, for text and for attributes in double quotes. Characters that change the direction
 * of text are removed: a name must not reverse the text beside it. Null and undefined become an empty string.
 */
export function escapeHtml(value: unknown): string {
  return String(value ?? '')
    .replaceAll(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** At most `max` characters as people count them (graphemes), with an ellipsis where text was cut. */
export function shorten(text: string, max: number): string {
  const all = [...graphemes.segment(text.trim())].map(({ segment }) => segment);
  return all.length <= max
    ? all.join('')
    : `${all
        .slice(0, max - 1)
        .join('')
        .trimEnd()}…`;
}

/** A client's name, short enough for a heading. The client chose it, and it could be a sentence that is meant to mislead. */
export function clientName(name: string): string {
  return shorten(name, 60) || 'Unnamed app';
}

/** The letter that is shown for a name without a picture. */
export function monogram(name: string): string {
  const all = [...graphemes.segment(name)].map(({ segment }) => segment);
  const letter = all.find((one) => /^[\p{L}\p{N}]/u.test(one)) ?? all.find((one) => one.trim() !== '');
  return (letter ?? '?').toLocaleUpperCase('en');
}

/** An http(s) URL that is safe in a link, or null: `javascript:` is a URL too. */
export function webUrl(value: string | null | undefined): string | null {
  const url = URL.parse(value ?? '');
  return url && ['http:', 'https:'].includes(url.protocol) ? url.href : null;
}

/** Where a redirect URI leads: a text for the user, and whether it is a website, in which case the text is its host. */
export interface Destination {
  text: string;
  isSite: boolean;
}

/** The destination of a redirect URI: a website, this computer, or an installed app. */
export function destinationOf(redirectUri: string): Destination {
  const url = URL.parse(redirectUri);
  if (!url) return { text: 'an unknown address', isSite: false };
  if (!['http:', 'https:'].includes(url.protocol)) {
    return { text: `an app on this device (${url.protocol.slice(0, -1)})`, isSite: false };
  }
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  return isLocal ? { text: `this computer (${url.host})`, isSite: false } : { text: url.host, isSite: true };
}
