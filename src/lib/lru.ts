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
      // A new iterator each time: one that is kept also keeps every former table of the Map that it has not passed.
      const [oldest] = values.size > size ? values.keys() : [];
      if (oldest !== undefined) values.delete(oldest);
    },
    clear: () => values.clear(),
  };
}
