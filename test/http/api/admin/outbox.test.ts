// The outbox through the admin API: what waits and what was given up, without any body.
import { enqueueMail } from '../../../../src/core/mail/mails.ts';
import { setOutboxKeyring } from '../../../../src/core/outbox/outbox.ts';
import { enterAsAdmin, read } from '../../../helpers/admin.ts';
import { after, keyring, makeUser } from '../../../helpers/builders.ts';
import { assertRefused } from '../../../helpers/client.ts';
import { makeMessage } from '../../../helpers/messages.ts';
import { api } from '../../../helpers/oauth.ts';
import { testOnOwnServers } from '../../../helpers/server.ts';

interface Listed {
  messages: { id: string; state: string; kind: string; attempts: number }[];
  next_cursor: string | null;
}

testOnOwnServers(
  'messages are listed by kind and state, page by page, without their bodies',
  {},
  async (t, server) => {
    const { db } = server;
    const admin = await enterAsAdmin(server);
    setOutboxKeyring(db, keyring);
    const { id: user_id } = await makeUser(db);
    await enqueueMail(db, {
      ...{
        kind: 'recover',
        to: 'ada@example.test',
        user_id,
        isProved: true,
        code: '493817',
        path: '/recover/secret',
      },
      at: new Date(),
    });
    const dead = [await makeMessage(db), await makeMessage(db), await makeMessage(db)].toReversed();
    const token = await makeMessage(db, {
      kind: 'logout_token',
      receiver: 'app',
      subject: 'logout',
      client_id: 'app',
    });
    const list = async (query: string) => (await read(server, admin, `/outbox${query}`)) as unknown as Listed;
    const all = await list('');
    t.deepEqual(all.messages.map(({ id }) => id).slice(0, 4), [token, ...dead]);
    t.notRegex(JSON.stringify(all), /493817|secret|ada@|"body"/);
    t.like(all.messages[4], { kind: 'mail', subject: 'recover', state: 'waiting', attempts: 0, user_id });
    t.deepEqual(
      (await list('?kind=mail&state=dead')).messages.map(({ id }) => id),
      dead,
    );
    const first = await list('?state=dead&kind=mail&limit=2');
    const second = await list(`?state=dead&kind=mail&limit=2&cursor=${first.next_cursor}`);
    t.deepEqual(
      [...first.messages, ...second.messages].map(({ id }) => id),
      dead,
    );
    t.is(second.next_cursor, null);
  },
);

testOnOwnServers(
  'a dead message is retried with all its attempts, another one is dropped, both in the trail',
  {},
  async (t, server) => {
    const { db } = server;
    const admin = await enterAsAdmin(server);
    const call = async (name: string) => await api(server, name, admin.token);
    const id = await makeMessage(db);
    const answer = await call(`POST /admin/outbox/${id}/retry`);
    t.is(answer.status, 200);
    t.like(answer.body, { id, state: 'waiting', attempts: 0 });
    t.is((await call(`DELETE /admin/outbox/${id}`)).status, 204);
    t.is(await db('outbox').where({ id }).first(), undefined);
    const events = await db('audit_events').where('type', 'like', 'message_%').orderBy('id');
    t.deepEqual(
      events.map(({ type, actor, actor_id, detail }) => ({ type, actor, actor_id, detail })),
      ['message_retried', 'message_dropped'].map((type) => ({
        type,
        actor: 'admin',
        actor_id: admin.user.id,
        detail: { message_id: id, kind: 'mail', subject: 'recover' },
      })),
    );
    for (const name of [`POST /admin/outbox/${id}/retry`, `DELETE /admin/outbox/${id}`])
      assertRefused(t, await call(name), { status: 404, error: 'not_found' });
  },
);

testOnOwnServers(
  'a retry neither repeats a message that a node may be sending, nor sends one that has expired',
  {},
  async (t, server) => {
    const { db } = server;
    const admin = await enterAsAdmin(server);
    const now = new Date();
    const waiting = { state: 'waiting' as const, attempts: 3 };
    const claimed = await makeMessage(db, { ...waiting, next_attempt_at: after(now, 30) });
    const later = await makeMessage(db, { ...waiting, next_attempt_at: after(now, 3_600) });
    const retry = async (id: string) => await api(server, `POST /admin/outbox/${id}/retry`, admin.token);
    t.deepEqual((await retry(claimed)).body.next_attempt_at, after(now, 30).toISOString());
    const { body } = await retry(later);
    t.true(new Date(String(body.next_attempt_at)) < after(now, 1_800));
    t.is(body.attempts, 3);
    const expired = await makeMessage(db, { expires_at: after(now, -1) });
    assertRefused(t, await retry(expired), { status: 404, error: 'not_found' });
    t.is((await db('outbox').where({ id: expired }).first())?.state, 'dead');
  },
);
