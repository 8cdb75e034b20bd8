// Cutting text where a person would: not inside of what is read as one character.
const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The beginning of `text` in at most `max` UTF-16 units, of whole characters as people read them. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  // One code point more, so that a character which ends at the limit is seen to end there.
  let end = 0;
  for (const { index } of characters.segment(text.slice(0, max + 2))) if (index <= max) end = index;
  // A single character may be longer than the limit: then at least no code point is halved.
  return end > 0
    ? text.slice(0, end)
    : text
        .slice(0, max)
        .toWellFormed()
        .replace(/\uFFFD$/, '');
}
