// Names in mails: whatever they hold, they stay in their line and in their place.
import { shorten } from '../text.ts';

// Marks of direction, and what is invisible. The two joiners stay: emoji and several scripts need them.
const unseen = /(?![\u200c\u200d])\p{Cf}|\p{Cs}|\p{Co}/gu;

/** A text in one line of at most `max` characters as people count them, without control characters and marks of direction. */
export function oneLine(text: string, max: number): string {
  // What is cut anyway is not split into its characters.
  const near = text.slice(0, max * 32);
  return shorten(near.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replaceAll(unseen, ''), max);
}
