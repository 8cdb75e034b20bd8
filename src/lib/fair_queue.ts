// Waiting lines of several places that take turns.

export interface FairQueue<T> {
  /** All who wait, in whatever line. */
  readonly length: number;
  push: (place: string, one: T) => void;
  /** The first of the place whose turn it is; undefined when nobody waits. */
  shift: () => T | undefined;
  /** Takes out all that `isOut` is true for. */
  remove: (isOut: (one: T) => boolean) => T[];
  /** Whether the longest line would still be longer than that of `place` with one more. */
  hasLongerLineThan: (place: string) => boolean;
  /** Takes out who came last to the longest line. */
  dropFromLongest: () => T | undefined;
}

/** Lines without anybody. */
export function createFairQueue<T>(): FairQueue<T> {
  // In the order of their turns. No line is empty.
  const lines = new Map<string, T[]>();
  let length = 0;
  const longest = () =>
    [...lines.values()].reduce<T[]>((one, other) => (other.length > one.length ? other : one), []);
  return {
    get length() {
      return length;
    },
    push(place, one) {
      const line = lines.get(place);
      if (line) line.push(one);
      else lines.set(place, [one]);
      length += 1;
    },
    shift() {
      const [first] = lines;
      if (!first) return undefined;
      const [place, line] = first;
      const one = line.shift();
      lines.delete(place);
      if (line.length > 0) lines.set(place, line);
      length -= 1;
      return one;
    },
    remove(isOut) {
      const out: T[] = [];
      for (const [place, line] of lines) {
        const kept = line.filter((one) => !isOut(one) || !out.push(one));
        if (kept.length > 0) lines.set(place, kept);
        else lines.delete(place);
      }
      length -= out.length;
      return out;
    },
    hasLongerLineThan: (place) => longest().length > (lines.get(place)?.length ?? 0) + 1,
    dropFromLongest() {
      const line = longest();
      if (line.length <= 1) return undefined;
      length -= 1;
      return line.pop();
    },
  };
}
