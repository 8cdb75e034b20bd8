import { recordEvents } from '../../src/core/audit.ts';
import { sweep } from '../../src/core/sweep.ts';
import { after } from '../helpers/builders.ts';
import { testOnStores } from '../helpers/stores.ts';

const auditRetention = 86_400;

testOnStores(
  'nobody changes or removes what stands in the trail, and the sweep removes only what is old',
  async (t, { name, db }) => {
    const now = new Date();
    await recordEvents(db, [{ type: 'login_failed', reason: 'old' }], after(now, -2 * auditRetention));
    await recordEvents(db, [{ type: 'login_failed', reason: 'young' }], now);
    const refused = { message: /append-only/ };
    await t.throwsAsync(db('audit_events').update({ reason: 'other' }), refused);
    if (name === 'postgres') {
      await t.throwsAsync(db('audit_events').delete(), refused);
      await t.throwsAsync(db.raw('truncate audit_events'), refused);
      // What the sweep says of itself opens removing for its own transaction, and nothing else.
      await db.transaction(async (tx) => {
        await tx.raw("set local kindred.sweep = 'on'");
        await t.throwsAsync(
          tx.transaction((inner) => inner('audit_events').update({ reason: 'other' })),
          refused,
        );
        await t.throwsAsync(
          tx.transaction((inner) => inner.raw('truncate audit_events')),
          refused,
        );
      });
    }
    t.is((await sweep(db, { auditRetention })).audit_events, 1);
    t.deepEqual(
      (await db('audit_events')).map((event) => event.reason),
      ['young'],
    );
    if (name === 'postgres')
      await t.throwsAsync(db('audit_events').delete(), refused, 'nor does the sweep leave it open behind it');
  },
);
