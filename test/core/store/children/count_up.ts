// Adds one to a row so many times, each time in a transaction that reads before it writes.
import { openDatabase } from '../../../../src/core/store/db.ts';

const [url = '', times] = process.argv.slice(2);
const db = openDatabase(url);
for (let i = 0; i < Number(times); i += 1) {
  await db.transaction(async (trx) => {
    const row = await trx('rate_limits').where({ key: 'counter' }).forUpdate().first('points');
    await trx('rate_limits')
      .where({ key: 'counter' })
      .update({ points: row.points + 1 });
  });
}
await db.destroy();
