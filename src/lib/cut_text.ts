// Cuts text between characters as people read them (grapheme clusters).
const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The beginning of `text` in at most `max` UTF-16 units, made of whole grapheme clusters. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  // Segments one code point more, so that a character that ends at the limit is found to end there.
  let end = 0;
  for (const { index } of characters.segment(text.slice(0, max + 2))) if (index <= max) end = index;
  // A single character may be longer than the limit; then only code points are kept whole.
  return end > 0
    ? text.slice(0, end)
    : text
        .slice(0, max)
        .toWellFormed()
        .replace(/\uFFFD$/, '');
}
