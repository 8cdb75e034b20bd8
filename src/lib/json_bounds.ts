// How much JSON a request may contain, checked before any other work on it. Recursive functions (JSON.stringify,
// structuredClone, zod) throw a RangeError at some ten thousand levels, and a schema reports each of 19,000 wrong items.

/** Levels of arrays and objects; the deepest document that any endpoint accepts, a JWK set in metadata, has four. */
const maxDepth = 32;

/** All values together, at every level. A JWK set of 50 keys has some 500. */
const maxValues = 2_000;

/** Whether a parsed value is deeper or has more values than any endpoint accepts. Visits no more than the bounds allow. */
export function exceedsJsonBounds(value: unknown): boolean {
  let seen = 0;
  const visit = (one: unknown, depth: number): boolean => {
    seen += 1;
    if (seen > maxValues) return true;
    if (typeof one !== 'object' || one === null) return false;
    return depth === maxDepth || Object.values(one).some((inner) => visit(inner, depth + 1));
  };
  return visit(value, 0);
}
