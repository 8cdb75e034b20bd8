// How much JSON a request may bring, judged before anything works on it. What writes, copies or checks values recursively
// (JSON.stringify, structuredClone, zod) ends in a RangeError at some ten thousand levels, and a schema that finds each of
// 19,000 items wrong writes 19,000 complaints.

/** Levels of arrays and objects; the deepest document that means something to us, a JWK set in metadata, has four. */
const maxDepth = 32;

/** Arrays, objects and what is in them, all together. A JWK set of 50 keys has some 500. */
const maxValues = 2_000;

/** Whether a parsed value is deeper or has more in it than any that we take. Looks no further than these bounds. */
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
