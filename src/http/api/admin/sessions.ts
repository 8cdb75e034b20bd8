// Administration of sessions: list those of a user, read one, end one.
import { z } from 'zod';
import { endSessionOf } from '../../../core/actions/log_out.ts';
import { findAnySession } from '../../../core/sessions/session_list.ts';
import { findUser } from '../../../core/users/users.ts';
import { AppError } from '../../../lib/errors.ts';
import { id, paging, route } from '../routes.ts';
import { listPage, readStory, sessionList, sessionStory } from '../session_view.ts';

const common = { right: 'admin:sessions', params: { id } } as const;

export const adminSessionRoutes = [
  route({
    ...common,
    method: 'get',
    path: '/admin/users/:id/sessions',
    summary: "List a user's live sessions, last used first",
    query: paging,
    response: sessionList,
    errors: ['user_not_found'],
    handler: async ({ deps, params, query }) => {
      if (!(await findUser(deps.db, params.id))) throw new AppError('user_not_found');
      return await listPage(deps, params.id, query, null);
    },
  }),
  route({
    ...common,
    method: 'get',
    path: '/admin/sessions/:id',
    summary: 'Read any session, also an ended one: when and why it ended, and its last rotations',
    response: sessionStory.extend({ user_id: z.uuid() }).meta({ id: 'AdminSessionStory' }),
    errors: ['session_not_found'],
    handler: async ({ deps, params }) => {
      const found = await findAnySession(deps.db, params.id);
      if (!found) throw new AppError('session_not_found');
      return { ...(await readStory(deps, found, null)), user_id: found.user_id };
    },
  }),
  route({
    ...common,
    method: 'delete',
    path: '/admin/sessions/:id',
    summary: 'End any session; succeeds also if it had ended before',
    status: 204,
    errors: ['session_not_found', 'right_missing'],
    handler: async ({ deps, params, actor }) => await endSessionOf(deps.db, params.id, actor),
  }),
];
