// A session as the API shows it, to its user and to administrators: schemas, pages, and the story of one session.
import { z } from 'zod';
import type { Deps } from '../../core/deps.ts';
import { expiresAt } from '../../core/sessions/live_session.ts';
import { type ListedSession, type LiveSession, listLiveSessions } from '../../core/sessions/session_list.ts';
import { listRotations } from '../../core/sessions/session_rotations.ts';
import type { WithIsoTimes } from '../../core/store/statements.ts';
import { decodeCursor, pageOf } from './cursor.ts';
import { dateTime } from './routes.ts';

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
    ip: z
      .string()
      .nullable()
      .describe('where it was used last; of a confidential client, where the user logged in'),
    user_agent: z
      .string()
      .nullable()
      .describe('with what it was used last; of a confidential client, with what the user logged in'),
    last_ip: z.string().nullable().describe('where it was used last, which may be the backend of the client'),
    last_user_agent: z.string().nullable().describe('with what it was used last'),
    created_at: dateTime,
    last_used_at: dateTime,
    expires_at: dateTime.describe('when it expires if it is not used again'),
    is_current: z.boolean().describe('whether the calling token belongs to it'),
  })
  .meta({ id: 'Session' });

/** A session with its last rotations and its end. */
export const sessionStory = session
  .extend({
    generation: z.number().int().describe('how often its refresh token was rotated'),
    ended_at: dateTime.nullable(),
    ended_reason: z.string().nullable(),
    ended_by: z.enum(['user', 'admin', 'client', 'system']).nullable(),
    rotations: z
      .array(z.object({ at: dateTime, ip: z.string().nullable(), user_agent: z.string().nullable() }))
      .describe('the last rotations, at most eight, newest first'),
  })
  .meta({ id: 'SessionStory' });

/** A page of sessions. */
export const sessionList = z
  .object({ sessions: z.array(session), next_cursor: z.string().nullable() })
  .meta({ id: 'SessionList' });

const position = z.tuple([z.iso.datetime(), z.uuid()]);

/** The page of a list that the caller asks for. */
export interface PageQuery {
  limit: number;
  cursor?: string | undefined;
}

/** One page of a user's live sessions; `current` is the session that the caller's token belongs to. */
export async function listPage(
  deps: Deps,
  user_id: string,
  { limit, cursor }: PageQuery,
  current: string | null,
) {
  const at = decodeCursor(cursor, position);
  const after = at && { last_used_at: new Date(at[0]), id: at[1] };
  const found = await listLiveSessions(deps.db, user_id, { limit: limit + 1, after });
  return sessionPage(found, limit, current);
}

/** A session of a list; its times are Dates, or text where the statement has written them as ISO 8601. */
type ShownSession = LiveSession | WithIsoTimes<LiveSession>;

/** The first `limit` of the sessions found, which are one more where there is another page. */
export function sessionPage(found: ShownSession[], limit: number, current: string | null) {
  const { items, next_cursor } = pageOf(found, limit, (last) => [last.last_used_at, last.id]);
  return { sessions: items.map((session) => describeSession(session, current)), next_cursor };
}

/** The story of a session. Rotations that are still queued are written first. */
export async function readStory(deps: Deps, found: ListedSession, current: string | null) {
  await deps.audit.flush();
  const rotations = await listRotations(deps.db, found.id);
  return {
    ...describeSession({ ...found, expires_at: expiresAt(found) }, current),
    generation: found.generation,
    ...endOf(found),
    rotations: rotations.map(({ rotated_at, ip, user_agent }) => ({ at: rotated_at, ip, user_agent })),
  };
}

function describeSession(one: ShownSession, current: string | null) {
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
    last_ip: one.last_ip,
    last_user_agent: one.last_user_agent,
    created_at: one.created_at,
    last_used_at: one.last_used_at,
    expires_at: one.expires_at,
    is_current: one.id === current,
  };
}

// No row changes when a session expires, so its end is computed here.
function endOf(one: ListedSession) {
  if (one.ended_at || !one.is_expired) {
    return { ended_at: one.ended_at, ended_reason: one.ended_reason, ended_by: one.ended_by };
  }
  return { ended_at: expiresAt(one), ended_reason: 'expired', ended_by: 'system' };
}
