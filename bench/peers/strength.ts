// The cost of a password for every peer: Kindred's own (src/core/passwords/password_hash.ts).

export const strength = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
