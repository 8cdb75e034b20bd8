// Random numbers that can be drawn again: a test prints the seed, so that a failure can be replayed.

export interface Random {
  seed: number;
  /** From 0 up to 1, as `Math.random`. */
  next: () => number;
  /** A whole number below `limit`. */
  below: (limit: number) => number;
  pick: <T>(list: readonly T[]) => T;
}

/** The seed of an ordinary run, so that it is reproducible; a soak run draws a new seed. */
const usual = process.env.SOAK ? Math.floor(Math.random() * 2 ** 31) : 490_616_727;

/** A generator with this seed: the SEED of the environment, or the usual one. */
export function createRandom(seed = Number(process.env.SEED ?? usual)): Random {
  let state = seed >>> 0;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    seed,
    next,
    below,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
  };
}
