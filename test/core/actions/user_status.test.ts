import type { ExecutionContext } from 'ava';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeUser, openTestSession, source } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const at = new Date('2030-01-01T00:00:00.250Z');

async function refuses(t: ExecutionContext, work: Promise<unknown>, code: string): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: AppError });
  t.is(error?.code as string, code);
}

testOnStores('a ban ends the sessions with its reason and actor, and can be lifted', async (t, { db }) => {
  const user = await makeUser(db);
  const [session] = [await openTestSession(db, { user }), await openTestSession(db, { user })];
  const stranger = await openTestSession(db);
  const by = { actor: 'admin', actor_id: newId(), source } as const;
  const until = after(at, 60);
  const change = { status: 'banned', reason: 'spam', ban_expires_at: until, ...by } as const;
  const { user: banned, ended } = await changeUserStatus(db, user.id, change);
  t.is(ended, 2);
  t.deepEqual([banned.status, banned.status_reason, banned.ban_expires_at], ['banned', 'spam', until]);
  const rows = await db('sessions').where({ user_id: user.id });
  t.deepEqual(
    rows.map((row) => [row.ended_reason, row.ended_by, row.ended_by_id]),
    rows.map(() => ['user_banned', 'admin', by.actor_id]),
  );
  t.is((await rowOf(db('sessions').where({ id: stranger.id }).first())).ended_at, null);
  const events = await db('audit_events').whereNot({ type: 'session_opened' });
  t.deepEqual(
    events
      .map(({ type, session_id, reason, ip, detail }) => ({ type, session_id, reason, ip, detail }))
      .toSorted((a, b) => (String(a.session_id) < String(b.session_id) ? -1 : 1)),
    [
      ...rows
        .map((row) => row.id as string)
        .toSorted()
        .map((id) => ({
          type: 'session_ended',
          session_id: id,
          reason: 'user_banned',
          ip: source.ip,
          detail: null,
        })),
      {
        type: 'user_status_changed',
        session_id: null,
        reason: 'spam',
        ip: source.ip,
        detail: { status: 'banned' },
      },
    ],
  );
  const undone = await changeUserStatus(db, user.id, { status: 'active', ...by });
  t.deepEqual(
    [undone.ended, undone.user.status, undone.user.status_reason, undone.user.ban_expires_at],
    [0, 'active', null, null],
  );
  t.truthy(
    (await rowOf(db('sessions').where({ id: session.id }).first())).ended_at,
    'ended sessions stay ended',
  );
});

testOnStores('the status of an unknown user cannot change', async (t, { db }) => {
  const before = await readTables(db);
  await refuses(t, changeUserStatus(db, newId(), { status: 'banned', actor: 'admin' }), 'user_not_found');
  t.deepEqual(await readTables(db), before);
});
