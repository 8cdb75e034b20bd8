// The cost of a password hash for every peer: the same as Kindred's (src/core/passwords/password_hash.ts).

export const strength = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
