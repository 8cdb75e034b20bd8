import test from 'ava';
import { readPrevious } from '../../helpers/previous.ts';
import { computeDigests, digestOf, readDigests } from './migration_digests.ts';

test('no migration is edited, renamed or removed once it has been added', (t) => {
  const hint = 'write another migration; for a new one run "node test/core/store/migration_digests.ts --add"';
  t.deepEqual(computeDigests(), readDigests(), hint);
});

// The list could be edited; the version that databases come from cannot.
test('the migrations of the previous version are unchanged', async (t) => {
  const digests = computeDigests();
  const { files } = await readPrevious();
  const before = Object.entries(files).filter(([path]) => path.startsWith('migrations/'));
  t.true(before.length > 0);
  for (const [path, text] of before) t.is(digests[path.slice('migrations/'.length)], digestOf(text), path);
});
