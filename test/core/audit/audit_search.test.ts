import { recordEvents } from '../../../src/core/audit/audit.ts';
import { appendEventRows, type NewEvent, toEventRow } from '../../../src/core/audit/audit_events.ts';
import {
  type EventPage,
  type EventSearch,
  listEvents,
  listSessionEvents,
} from '../../../src/core/audit/audit_search.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const at = new Date('2030-01-01T00:00:00.250Z');
const rotation: NewEvent = { type: 'refresh_token_rotated' };

testOnStores(
  "a session's last events are listed newest first, without those of other sessions",
  async (t, { db }) => {
    const session_id = newId();
    for (let i = 0; i < 5; i += 1) {
      await recordEvents(db, [{ ...rotation, session_id, reason: String(i) }], after(at, i));
      await recordEvents(
        db,
        [
          { type: 'session_opened', session_id },
          { ...rotation, session_id: newId() },
        ],
        after(at, i),
      );
    }
    const events = await listSessionEvents(db, session_id, 'refresh_token_rotated', 3);
    t.deepEqual(
      events.map((event) => [event.reason, event.created_at]),
      [
        ['4', after(at, 4)],
        ['3', after(at, 3)],
        ['2', after(at, 2)],
      ],
    );
  },
);

const hour = 3_600;

/** Records events an hour apart, each with the number of its hour as its reason. */
async function recordHourly(db: Db, count: number, eventOf: (n: number) => NewEvent): Promise<void> {
  for (let n = 0; n < count; n += 1)
    await recordEvents(db, [{ ...eventOf(n), reason: String(n) }], after(at, n * hour));
}

const reasonsOf = ({ events }: EventPage) => events.map(({ reason }) => Number(reason));

testOnStores(
  'events are found by any combination of filters, newest first, a page at a time',
  async (t, { db }) => {
    const [user_id, session_id] = [newId(), newId()];
    const eventOf = (n: number): NewEvent => ({
      type: n % 2 ? 'session_opened' : 'session_ended',
      user_id: n % 3 ? user_id : newId(),
      session_id: n % 5 ? session_id : null,
      client_id: n % 7 ? 'app' : null,
    });
    await recordHourly(db, 60, eventOf);
    const hours = Array.from({ length: 60 }, (_, n) => n).toReversed();
    const cases: [search: Omit<EventSearch, 'limit'>, fits: (n: number) => boolean][] = [
      [{}, () => true],
      [{ user_id }, (n) => n % 3 > 0],
      [{ session_id }, (n) => n % 5 > 0],
      [{ client_id: 'app' }, (n) => n % 7 > 0],
      [{ type: 'session_opened' }, (n) => n % 2 > 0],
      [{ type: 'session_opened', client_id: 'app' }, (n) => n % 2 > 0 && n % 7 > 0],
      [
        { user_id, session_id, client_id: 'app', type: 'session_ended' },
        (n) => n % 3 > 0 && n % 5 > 0 && n % 7 > 0 && n % 2 === 0,
      ],
      [{ user_id: newId() }, () => false],
    ];
    const ranges: [search: Partial<EventSearch>, fits: (n: number) => boolean][] = [
      [{}, () => true],
      [{ from: after(at, 20 * hour) }, (n) => n >= 20],
      [{ to: after(at, 40 * hour) }, (n) => n < 40],
      [{ from: after(at, 20 * hour), to: after(at, 40 * hour) }, (n) => n >= 20 && n < 40],
      [{ from: after(at, 40 * hour), to: after(at, 20 * hour) }, () => false],
    ];
    for (const [filter, fits] of cases)
      for (const [range, isIn] of ranges) {
        const found: number[] = [];
        let before: string | undefined;
        do {
          const page = await listEvents(db, { ...filter, ...range, before, limit: 7 }, { slice: 13 });
          found.push(...reasonsOf(page));
          before = page.next ?? undefined;
        } while (before !== undefined);
        t.deepEqual(
          found,
          hours.filter((n) => fits(n) && isIn(n)),
          JSON.stringify({ ...filter, ...range }),
        );
      }
  },
);

testOnStores(
  'a search whose time is over answers what it has found, and goes on from there',
  async (t, { db }) => {
    await recordHourly(db, 20, (n) => ({
      type: n % 10 ? 'session_opened' : 'session_ended',
      client_id: 'app',
    }));
    const search = { client_id: 'app', type: 'session_ended', limit: 2 };
    const pages: number[][] = [];
    let before: string | undefined;
    do {
      const page = await listEvents(db, { ...search, before }, { time: 0, slice: 3 });
      pages.push(reasonsOf(page));
      before = page.next ?? undefined;
    } while (before !== undefined);
    t.deepEqual(pages, [[], [], [], [10], [], [], [0]]);
    const whole = await listEvents(db, search, { slice: 3 });
    t.deepEqual([reasonsOf(whole), whole.next], [[10, 0], null]);
  },
);

testOnStores(
  'the time of an event decides whether a search by time finds it, if its id differs by at most ten minutes',
  async (t, { db }) => {
    const rowAt = (reason: string, id: Date, created_at: Date) => ({
      ...toEventRow({ type: 'login_failed', reason }, created_at),
      id: newId(id.getTime()),
    });
    const late = after(at, 599);
    await appendEventRows(db, [
      rowAt('1', after(at, -599), at),
      rowAt('2', late, at),
      rowAt('3', at, after(at, -1)),
      rowAt('4', after(at, 3 * hour), at),
    ]);
    const found = await listEvents(db, { from: at, to: after(at, 0.001), limit: 10 });
    t.deepEqual(reasonsOf(found), [2, 1], 'without 3, which is older, and 4, whose id is of another hour');
    t.deepEqual(reasonsOf(await listEvents(db, { type: 'login_failed', limit: 10 })), [4, 2, 3, 1]);
  },
);
