// Every endpoint of the engine and every page, asked what nobody should ask it.
import test from 'ava';
import { storeNames } from '../helpers/stores.ts';
import { engineRequest } from './fuzzing/engine_requests.ts';
import { fuzz } from './fuzzing/run.ts';

for (const name of storeNames) {
  test.serial(
    `no request to the engine or a page makes it fail, tell or forget anything (${name})`,
    async (t) => {
      await fuzz(t, name, async () => engineRequest);
    },
  );
}
