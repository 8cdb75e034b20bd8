// The caller's sessions: list, read, end.
import { isLive } from '../../core/access_tokens/live_token.ts';
import { listForToken } from '../../core/access_tokens/token_sessions.ts';
import { AppError } from '../../lib/errors.ts';
import { endMySession, requireMySession } from './logout.ts';
import { type ApiRequest, id, paging, route } from './routes.ts';
import {
  listPage,
  type PageQuery,
  readStory,
  sessionList,
  sessionPage,
  sessionStory,
} from './session_view.ts';

export const sessionRoutes = [
  route({
    method: 'get',
    path: '/sessions',
    auth: 'user',
    summary: 'List my live sessions, last used first',
    query: paging,
    response: sessionList,
    checksLiveness: true,
    handler: listMySessions,
  }),
  route({
    method: 'get',
    path: '/sessions/:id',
    auth: 'user',
    summary: 'Read one of my sessions, also an ended one: when and why it ended, and its last rotations',
    params: { id },
    response: sessionStory,
    errors: ['session_not_found'],
    handler: readMySession,
  }),
  route({
    method: 'delete',
    path: '/sessions/:id',
    auth: 'user',
    summary: 'End one of my sessions; succeeds also if it had ended before',
    params: { id },
    status: 204,
    errors: ['session_not_found'],
    handler: async (request) => {
      await endMySession(request, request.params.id);
    },
  }),
];

async function listMySessions({ deps, caller, query }: ApiRequest<unknown, PageQuery>) {
  if (query.cursor !== undefined) {
    if (!(await isLive(deps.db, caller))) throw new AppError('invalid_token');
    return await listPage(deps, caller.sub, query, caller.sid);
  }
  const found = await listForToken(deps.db, caller, query.limit + 1);
  if (found.length === 0) throw new AppError('invalid_token');
  return sessionPage(found, query.limit, caller.sid);
}

async function readMySession({ deps, caller, params }: ApiRequest<{ id: string }>) {
  const found = await requireMySession(deps.db, caller.sub, params.id);
  return await readStory(deps, found, caller.sid);
}
