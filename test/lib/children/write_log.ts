// Writes to a log what carries a secret in every way that our code logs things; the secret is always "hunter2".
import { openDatabase } from '../../../src/core/store/db.ts';
import { createLog } from '../../../src/lib/log.ts';

const log = createLog({ level: 'info' });
const db = openDatabase('sqlite::memory:');
const statement = 'insert into nowhere\n  (name)\n  values (?)';

log.info({ refresh_token: 'hunter2', user: { password: 'hunter2', id: 1 } }, 'signed in');
try {
  await db.raw(statement, ['hunter2']);
} catch (error) {
  log.error(error);
  log.error(error, 'with a message');
  log.error({ err: error });
  log.error({ err: error, request_id: 'r1' }, 'with a message');
  log.error({ failures: [error] }, 'in a list');
  log.error({ err: new Error('outer', { cause: error }) });
}
log.debug('not written');
await db.destroy();
