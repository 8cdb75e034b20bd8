// The caller's own data, as a stream of JSON lines.
import { Readable } from 'node:stream';
import { isLive } from '../../core/access_tokens/live_token.ts';
import { exportUser, recordExport } from '../../core/actions/export_user.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { requireRecentLogin } from '../../core/users/recent_login.ts';
import { type ApiRequest, route } from './routes.ts';

export const myExportRoutes = [
  route({
    method: 'get',
    path: '/me/export',
    auth: 'user',
    summary:
      'Everything that is stored about me, one JSON object a line; after a login of the last 15 minutes, once in 10 minutes. The last line is {"type":"end"}',
    stream: 'application/x-ndjson',
    errors: ['insufficient_user_authentication', 'rate_limited'],
    handler: exportMyData,
  }),
];

async function exportMyData({ deps, caller, actor }: ApiRequest): Promise<Readable> {
  const { db, limits, clock } = deps;
  requireRecentLogin(clock, caller.auth_time);
  await withLimit(limits.userExport, [caller.sub], () =>
    recordExport(db, caller.sub, caller.sid, actor.source),
  );
  await deps.audit.flush();
  // Each page waits until the client has taken the one before, and none is read once it has disconnected.
  return Readable.from(
    exportUser(db, caller.sub, () => isLive(db, caller)),
    {
      objectMode: false,
      highWaterMark: 65_536,
    },
  );
}
