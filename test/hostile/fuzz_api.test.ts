// Every route of the OpenAPI document, asked what nobody should ask it.
import test from 'ava';
import { send } from '../helpers/client.ts';
import { storeNames } from '../helpers/stores.ts';
import { type ApiDocument, apiRequest } from './fuzzing/api_requests.ts';
import { fuzz } from './fuzzing/run.ts';

for (const name of storeNames) {
  test.serial(`no request to the API makes it fail, tell or forget anything (${name})`, async (t) => {
    await fuzz(t, name, async ({ url }) => {
      const { body } = await send(`${url}/api/openapi.json`);
      return apiRequest(body as unknown as ApiDocument);
    });
  });
}
