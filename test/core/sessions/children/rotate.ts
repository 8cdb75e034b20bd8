// Presents one refresh token many times at once, together with a second process that does the same.
import { setTimeout as sleep } from 'node:timers/promises';
import '../../../../src/core/tables.ts';
import { openDatabase } from '../../../../src/core/store/db.ts';
import { rotate } from '../../../helpers/rotate.ts';

const [url = '', times, presented = ''] = process.argv.slice(2);
const db = openDatabase(url);
await db('rate_limits').insert({ key: `ready-${process.pid}` });
while ((await db('rate_limits')).length < 2) await sleep(2);
const answers = await Promise.all(
  Array.from({ length: Number(times) }, () => rotate(db, JSON.parse(presented))),
);
console.log(JSON.stringify(answers));
await db.destroy();
