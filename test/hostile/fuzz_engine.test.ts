// Generated requests to every endpoint of the engine and every page.
import test from 'ava';
import { storeNames } from '../helpers/stores.ts';
import { engineRequest } from './fuzzing/engine_requests.ts';
import { fuzz } from './fuzzing/run.ts';

for (const name of storeNames) {
  test.serial(
    `no generated request makes the engine or a page fail, leak a secret or lose data (${name})`,
    async (t) => {
      await fuzz(t, name, async () => engineRequest);
    },
  );
}
