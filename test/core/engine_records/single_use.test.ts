import { consumeRecord, useOnce } from '../../../src/core/engine_records/single_use.ts';
import { makeRecord } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText, openDatabases } from '../../helpers/tables.ts';

testOnStores('of ten concurrent uses of one code, one succeeds', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  for (let round = 0; round < 5; round += 1) {
    const code = `code-${round}`;
    await makeRecord(store.db, 'AuthorizationCode', code, { jti: code }, 60);
    const wins = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        consumeRecord(nodes[i % nodes.length] ?? store.db, 'AuthorizationCode', code),
      ),
    );
    t.is(wins.filter(Boolean).length, 1);
    t.false(await consumeRecord(store.db, 'AuthorizationCode', code));
  }
});

testOnStores('of ten concurrent uses of one assertion, one succeeds', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  for (let round = 0; round < 5; round += 1) {
    const wins = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        useOnce(nodes[i % nodes.length] ?? store.db, 'ReplayDetection', `jti-${round}`, 60),
      ),
    );
    t.is(wins.filter(Boolean).length, 1);
    t.false(await useOnce(store.db, 'ReplayDetection', `jti-${round}`, 60));
  }
  t.true(await useOnce(store.db, 'Other', 'jti-0', 60), 'of another kind');
  t.false((await dumpText(store.db)).includes('jti-0'));
});
