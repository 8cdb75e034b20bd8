// Invitations, and their links in a browser. The test servers have no mail server, so the answer has the link.
import type { Json } from './client.ts';
import { api } from './oauth.ts';
import type { TestServer } from './server.ts';
import { openUserAgent, type Page } from './user_agent.ts';

export interface Invited {
  id: string;
  url: string;
  token: string;
  body: Json;
}

/** Invites an address; a refusal fails the test. */
export async function inviteTo(
  server: TestServer,
  { token }: { token: string },
  json: Json & { email: string },
): Promise<Invited> {
  const { status, body, text } = await api(server, 'POST /admin/invitations', token, { json });
  if (status !== 201) throw new Error(`${status}: ${text}`);
  return asInvited(body);
}

/** The invitation of a 201. */
export function asInvited(body: Json): Invited {
  const url = String(body.url);
  return { id: String(body.id), url, token: url.split('/').at(-1) ?? '', body };
}

/** Opens a link and sends its form, in a fresh browser. */
export async function acceptLink(
  server: TestServer,
  { url, token }: Pick<Invited, 'url' | 'token'>,
  fields: Record<string, string>,
): Promise<Page> {
  const ua = openUserAgent(server.url);
  return await ua.submit(await ua.open(url), `/invitation/${token}`, fields);
}
