// A client registers itself and manages its registration (RFC 7591, RFC 7592).

import type { Client } from '../../src/core/clients/clients.ts';
import { type Answer, send } from './client.ts';
import { callback } from './code_flow.ts';
import { rowOf } from './rows.ts';
import type { TestServer } from './server.ts';

/** Valid metadata of a client. */
export const wanted = { redirect_uris: [callback], client_name: 'Stranger' };

/** Registers a client. */
export async function register(server: TestServer, json: object = wanted, bearer?: string): Promise<Answer> {
  return await send(`${server.url}/register`, { json, ...(bearer ? { token: bearer } : {}) });
}

/** Reads, changes or deletes a registration with its own token. */
export async function manage(
  server: TestServer,
  method: string,
  { body }: Answer,
  json?: object,
): Promise<Answer> {
  return await send(`${server.url}/register/${body.client_id}`, {
    method,
    token: String(body.registration_access_token),
    ...(json ? { json } : {}),
  });
}

/** The row of the registered client. */
export const clientRowOf = async ({ db }: TestServer, { body }: Answer): Promise<Client> =>
  await rowOf(
    db('clients')
      .where({ client_id: String(body.client_id) })
      .first(),
  );
