// The entrance to our grants through the engine: what changes while the engine authenticates the client, and faults.
import test from 'ava';
import { mintRefreshToken } from '../../../src/core/sessions/refresh_token.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { asEngineError } from '../../../src/oidc/request/errors.ts';
import { keyring, makeUser, openTestSession } from '../../helpers/builders.ts';
import { granted, send } from '../../helpers/client.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { createTwinClients, proofOf } from '../../helpers/twin_clients.ts';
import { openPair, ownApi, type Pair } from '../../helpers/twins.ts';

/** Makes a client lose a right in the moment in which its assertion is accepted, until the returned function is called. */
async function loseRightsMeanwhile({ db }: Pair['deps'], store: Store): Promise<() => Promise<void>> {
  const change = "update clients set token_version = token_version + 1 where client_id = 'keyed'";
  const isAssertion = "before insert on oidc_models for each row when (new.model = 'ReplayDetection')";
  if (store.name === 'sqlite') {
    await db.raw(`create trigger meanwhile ${isAssertion} begin ${change}; end`);
    return async () => void (await db.raw('drop trigger meanwhile'));
  }
  await db.raw(
    `create function meanwhile() returns trigger language plpgsql as $$ begin ${change}; return new; end $$`,
  );
  await db.raw(`create trigger meanwhile ${isAssertion} execute function meanwhile()`);
  return async () => void (await db.raw('drop trigger meanwhile on oidc_models'));
}

testOnStores(
  'a client that loses a right while it authenticates gets no answer with its new rights',
  async (t, store) => {
    const pair = await openPair(t, store);
    const { db } = pair.deps;
    await createTwinClients(db);
    const session = await openTestSession(db, {
      user: await makeUser(db),
      client: await rowOf(db('clients').where({ client_id: 'keyed' }).first()),
      grant_payload: { openid: { scope: 'account' }, resources: { [ownApi]: 'account' } },
      token_payload: { gty: 'password', scope: 'account', resource: ownApi },
    });
    const refresh_token = mintRefreshToken(keyring, session, 0);
    const ask = async (path: string, form: Record<string, string>) => {
      const proof = await proofOf('keyed', 'registered');
      return await send(`${pair.fast.url}${path}`, { form: { ...proof.form, ...form } });
    };
    const questions: [string, Record<string, string>][] = [
      ['/token', { grant_type: 'refresh_token', refresh_token }],
      ['/introspect', { token: refresh_token }],
      ['/revoke', { token: refresh_token }],
    ];
    const mend = await loseRightsMeanwhile(pair.deps, store);
    for (const [path, form] of questions) {
      const { status, body, headers } = await ask(path, form);
      t.deepEqual([status, body.error, headers['retry-after']], [503, 'temporarily_unavailable', '2'], path);
      const { generation, ended_at } = await rowOf(db('sessions').where({ id: session.id }).first());
      t.deepEqual([generation, ended_at], [0, null], path);
    }
    await mend();
    for (const [path, form] of questions) granted(await ask(path, form));
  },
);

test('a refusal becomes an error of the engine, and a fault stays one', (t) => {
  const ctx = { state: {}, set: () => {} };
  const refused = asEngineError(ctx, new AppError('invalid_grant', 'No.', { reason: 'session_ended' }));
  t.like(refused, { statusCode: 400, error: 'invalid_grant', error_description: 'No.' });
  t.deepEqual(ctx.state, { reason: 'session_ended' });
  for (const fault of [new AppError('unavailable'), new AppError('server_error'), new TypeError('a fault')])
    t.is(asEngineError(ctx, fault), fault);
});
