// A session as the API shows it, to its user and to administrators: schemas, pages, and the story of one session.
import { z } from 'zod';
import type { Deps } from '../../core/deps.ts';
import {
  type ListedSession,
  type LiveSession,
  listLiveSessions,
  listRotations,
} from '../../core/sessions/session_list.ts';
import { expiresAt } from '../../core/sessions/sessions.ts';
import type { WithIsoTimes } from '../../core/store/statements.ts';
import { packCursor, readCursor } from './cursor.ts';
import { moment } from './routes.ts';

const session = z
  .object({
    id: z.uuid(),
    client: z.object({ client_id: z.string(), client_name: z.string().nullable() }),
    device: z
      .object({
        id: z.uuid(),
        device_id: z.string(),
        name: z.string().nullable(),
        platform: z.string().nullable(),
        app_version: z.string().nullable(),
      })
      .nullable(),
    ip: z.string().nullable(),
    user_agent: z.string().nullable(),
    created_at: moment,
    last_used_at: moment,
    expires_at: moment.describe('when it expires if it is not used again'),
    is_current: z.boolean().describe('whether the calling token belongs to it'),
  })
  .meta({ id: 'Session' });

/** A session with what happened to it. */
export const sessionStory = session
  .extend({
    generation: z.number().int().describe('how often its refresh token was rotated'),
    ended_at: moment.nullable(),
    ended_reason: z.string().nullable(),
    ended_by: z.enum(['user', 'admin', 'client', 'system']).nullable(),
    rotations: z
      .array(z.object({ at: moment, ip: z.string().nullable(), user_agent: z.string().nullable() }))
      .describe('the last rotations, newest first'),
  })
  .meta({ id: 'SessionStory' });

/** A page of sessions. */
export const sessionList = z
  .object({ sessions: z.array(session), next_cursor: z.string().nullable() })
  .meta({ id: 'SessionList' });

const position = z.tuple([z.iso.datetime(), z.uuid()]);

/** Which page of a list is asked for. */
export interface Page {
  limit: number;
  cursor?: string | undefined;
}

/** One page of a user's live sessions; `current` is the session that the caller's token belongs to. */
export async function listPage(deps: Deps, user_id: string, { limit, cursor }: Page, current: string | null) {
  const at = readCursor(cursor, position);
  const after = at && { last_used_at: new Date(at[0]), id: at[1] };
  const found = await listLiveSessions(deps.db, user_id, { limit: limit + 1, after });
  return pageOf(found, limit, current);
}

/** A session as a list shows it, its times as dates or written. */
type Shown = LiveSession | WithIsoTimes<LiveSession>;

// One more than the limit was looked for: it tells that there is another page.
export function pageOf(found: Shown[], limit: number, current: string | null) {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    sessions: page.map((one) => describe(one, current)),
    next_cursor: found.length > page.length && last ? packCursor([last.last_used_at, last.id]) : null,
  };
}

/** A session with what happened to it. Rotations that still wait to be written are written first. */
export async function tellStory(deps: Deps, found: ListedSession, current: string | null) {
  await deps.audit.flush();
  const rotations = await listRotations(deps.db, found.id);
  return {
    ...describe({ ...found, expires_at: expiresAt(found) }, current),
    generation: found.generation,
    ...ending(found),
    rotations: rotations.map(({ created_at, ip, user_agent }) => ({ at: created_at, ip, user_agent })),
  };
}

function describe(one: Shown, current: string | null) {
  return {
    id: one.id,
    client: { client_id: one.client_id, client_name: one.client_name },
    device: one.device_id
      ? {
          id: one.device_id,
          device_id: one.device_device_id,
          name: one.device_name,
          platform: one.device_platform,
          app_version: one.device_app_version,
        }
      : null,
    ip: one.ip,
    user_agent: one.user_agent,
    created_at: one.created_at,
    last_used_at: one.last_used_at,
    expires_at: one.expires_at,
    is_current: one.id === current,
  };
}

// Nothing is written when a session expires; its story says so all the same.
function ending(one: ListedSession) {
  if (one.ended_at || !one.is_expired) {
    return { ended_at: one.ended_at, ended_reason: one.ended_reason, ended_by: one.ended_by };
  }
  return { ended_at: expiresAt(one), ended_reason: 'expired', ended_by: 'system' };
}
