// A bounded memory: what has not been asked for the longest goes first.

export interface Lru<Value> {
  get: (key: string) => Value | undefined;
  set: (key: string, value: Value) => void;
  clear: () => void;
}

/** Remembers at most `size` values. */
export function createLru<Value>(size: number): Lru<Value> {
  // A Map keeps the order in which its keys were set, so that the first is the one that was used the longest ago.
  const values = new Map<string, Value>();
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
      const [oldest] = values.size > size ? values.keys() : [];
      if (oldest !== undefined) values.delete(oldest);
    },
    clear: () => values.clear(),
  };
}
