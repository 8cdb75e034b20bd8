import { recordEvents } from '../../../src/core/audit/audit.ts';
import type { NewEvent } from '../../../src/core/audit/audit_events.ts';
import { listSessionEvents } from '../../../src/core/audit/audit_search.ts';
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
