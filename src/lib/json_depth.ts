// How deeply a parsed JSON value is nested. What writes or checks values recursively (JSON.stringify, structuredClone, zod)
// ends in a RangeError at some ten thousand levels; a document that small fits into any request.

/** Levels of arrays and objects that a request may have; the deepest that means something to us, a JWK in a JWK set, has four. */
export const maxJsonDepth = 32;

/** Whether a value has more than `depth` levels of arrays and objects. Never looks deeper, and at each member once. */
export function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((one) => isDeeperThan(depth - 1, one));
}
