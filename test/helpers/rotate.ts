// The use of a refresh token without a client that has rules of its own.
import {
  type Caller,
  type Presented,
  type Rotation,
  useRefreshToken,
} from '../../src/core/sessions/rotation.ts';
import type { Db } from '../../src/core/store/db.ts';

type Outcome =
  | { outcome: 'rotated' | 'retried'; generation: number }
  | Exclude<Rotation, { session: object }>;

/** Presents a token; the outcome without the session. */
export async function rotate(db: Db, presented: Presented, at?: Date): Promise<Outcome> {
  const caller: Caller = { check: async () => {}, attempt: (advance) => advance() };
  const rotation = await useRefreshToken(db, presented, caller, at);
  if (!('session' in rotation)) return rotation;
  const { outcome, generation } = rotation;
  return { outcome, generation };
}

export type { Outcome as Rotation, Presented };
