// Generated requests to every route of the OpenAPI document.
import test from 'ava';
import { send } from '../helpers/client.ts';
import { storeNames } from '../helpers/stores.ts';
import { type ApiDocument, apiRequest } from './fuzzing/api_requests.ts';
import { fuzz } from './fuzzing/run.ts';

for (const name of storeNames) {
  test.serial(`no generated request makes the API fail, leak a secret or lose data (${name})`, async (t) => {
    await fuzz(t, name, async ({ url }) => {
      const { body } = await send(`${url}/api/openapi.json`);
      return apiRequest(body as unknown as ApiDocument);
    });
  });
}
