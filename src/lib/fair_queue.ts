// A fair queue: entries with the same key keep their order, and keys take turns.

export interface FairQueue<T> {
  /** The number of entries. */
  readonly length: number;
  push: (key: string, one: T) => void;
  /** Removes the first entry of the key whose turn it is; undefined when the queue is empty. */
  shift: () => T | undefined;
  /** Removes all entries for which `matches` is true. */
  remove: (matches: (one: T) => boolean) => T[];
  /** Whether the longest line would be longer than that of `key` even with one more entry. */
  hasLongerLineThan: (key: string) => boolean;
  /** Removes the newest entry of the longest line; undefined when no line has more than one. */
  dropFromLongest: () => T | undefined;
}

/** An empty queue. */
export function createFairQueue<T>(): FairQueue<T> {
  // The lines of the keys in the order of their turns. No line is empty.
  const lines = new Map<string, T[]>();
  let length = 0;
  const longest = () =>
    [...lines.values()].reduce<T[]>((one, other) => (other.length > one.length ? other : one), []);
  return {
    get length() {
      return length;
    },
    push(key, one) {
      const line = lines.get(key);
      if (line) line.push(one);
      else lines.set(key, [one]);
      length += 1;
    },
    shift() {
      const [first] = lines;
      if (!first) return undefined;
      const [key, line] = first;
      const one = line.shift();
      lines.delete(key);
      if (line.length > 0) lines.set(key, line);
      length -= 1;
      return one;
    },
    remove(matches) {
      const removed: T[] = [];
      for (const [key, line] of lines) {
        const kept = line.filter((one) => !matches(one) || !removed.push(one));
        if (kept.length > 0) lines.set(key, kept);
        else lines.delete(key);
      }
      length -= removed.length;
      return removed;
    },
    hasLongerLineThan: (key) => longest().length > (lines.get(key)?.length ?? 0) + 1,
    dropFromLongest() {
      const line = longest();
      if (line.length <= 1) return undefined;
      length -= 1;
      return line.pop();
    },
  };
}
