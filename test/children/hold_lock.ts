// Holds a job's lock until it is killed; says when it has it.
import { withJobLock } from '../../src/core/store/advisory_lock.ts';

const [url = '', name = ''] = process.argv.slice(2);
const done = await withJobLock(url, name, async () => {
  console.log('held');
  await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  return {};
});
if (!done) console.log('busy');
