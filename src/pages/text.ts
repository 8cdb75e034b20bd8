// What others wrote, made fit for a page: names, addresses, and HTML in either.

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Escapes whatever a template prints, for text and for attributes in double quotes. Marks that change the direction of
 * text are dropped: a name must not turn around the words beside it. Nothing is printed for null and undefined.
 */
export function escapeHtml(value: unknown): string {
  return String(value ?? '')
    .replaceAll(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** At most `max` characters as people count them, an ellipsis where something is missing. */
export function shorten(text: string, max: number): string {
  const all = [...graphemes.segment(text.trim())].map(({ segment }) => segment);
  return all.length <= max
    ? all.join('')
    : `${all
        .slice(0, max - 1)
        .join('')
        .trimEnd()}…`;
}

/** A client's name short enough for a heading. It is the client's own word, and could be a sentence meant to mislead. */
export function clientName(name: string): string {
  return shorten(name, 60) || 'An app without a name';
}

/** The letter that stands for a name where there is no picture. */
export function monogram(name: string): string {
  const all = [...graphemes.segment(name)].map(({ segment }) => segment);
  const letter = all.find((one) => /^[\p{L}\p{N}]/u.test(one)) ?? all.find((one) => one.trim() !== '');
  return (letter ?? '?').toLocaleUpperCase('en');
}

/** An http(s) URL as it may stand in a link, or null: `javascript:` is a URL too. */
export function webUrl(value: string | null | undefined): string | null {
  const url = URL.parse(value ?? '');
  return url && ['http:', 'https:'].includes(url.protocol) ? url.href : null;
}

/** Where a redirect URI leads, in words, and whether that is a website: then its host is its name. */
export interface Place {
  words: string;
  isSite: boolean;
}

/** The host of a website, this computer, or an installed app. */
export function placeOf(redirectUri: string): Place {
  const url = URL.parse(redirectUri);
  if (!url) return { words: 'an unknown place', isSite: false };
  if (!['http:', 'https:'].includes(url.protocol)) {
    return { words: `an app on this device (${url.protocol.slice(0, -1)})`, isSite: false };
  }
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  return isHere ? { words: `this computer (${url.host})`, isSite: false } : { words: url.host, isSite: true };
}
