// Lets a model extend a class of the engine where the published types stand in the way.

/**
 * Extends a class of the engine. `extend` gets it under our own description of the members that we build on; the result has
 * the engine's type again. The published types declare accessors as properties, which no subclass may override, give `find`
 * a type that no override can have, and leave some members out.
 */
export function subclass<Engine extends object, Described>(
  base: Engine,
  extend: (base: Described) => object,
): Engine {
  return extend(base as unknown as Described) as Engine;
}
