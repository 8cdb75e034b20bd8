// What the comparisons of introspection and of revocation share: what has happened to a token, and the request about it.
import { decodeJwt } from 'jose';
import { revokeAccessToken } from '../../src/core/access_tokens/revoked_tokens.ts';
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import type { Deps } from '../../src/core/deps.ts';
import { after } from './builders.ts';
import type { RequestOptions } from './client.ts';
import type { IntrospectionCase } from './introspection_cases.ts';
import { currentVersion } from './rows.ts';
import { proofOf } from './twin_clients.ts';
import type { Twin } from './twins.ts';

/** A token as it is sent; a list is sent as several parameters. */
export type Token = string | string[] | undefined;

/** Lets the session, its user or the token meet its fate. */
export async function befall(
  { db }: Deps,
  { fate }: IntrospectionCase,
  { user, session }: Twin,
  token: Token,
): Promise<unknown> {
  const ofUser = (row: object) => db('users').where({ id: user.id }).update(row);
  const ofSession = (row: object) => db('sessions').where({ id: session.id }).update(row);
  const now = session.created_at;
  switch (fate) {
    case 'live':
      return null;
    case 'ended':
      return await ofSession({ ended_at: now, ended_reason: 'logout', ended_by: 'user' });
    case 'idle too long':
      return await ofSession({ last_used_at: after(now, -604_801) });
    case 'too old':
      return await ofSession({ absolute_expires_at: after(now, -1) });
    case 'banned':
      return await changeUserStatus(db, user.id, { status: 'banned', actor: 'system' });
    case 'banned until now':
      return await ofUser({ status: 'banned', ban_expires_at: after(now, -1) });
    case 'disabled':
      return await ofUser({ status: 'disabled' });
    case 'deleted':
      return await ofUser({ status: 'deleted' });
    case 'revoked':
      if (typeof token === 'string' && token.startsWith('eyJ')) {
        const { jti = '', exp = 0 } = decodeJwt(token);
        if (jti) await revokeAccessToken(db, await currentVersion(db), { jti, exp });
      }
      return null;
    case 'newer version':
      return await ofUser({ token_version: 1 });
    case 'other client':
      return await ofSession({ client_id: 'bound' });
  }
}

/** The request about a token. */
export async function questionOf(given: IntrospectionCase, token: Token): Promise<RequestOptions> {
  const proof = await proofOf(given.caller, given.way);
  return {
    method: given.method,
    path: given.path,
    form: { ...proof.form, token, ...given.form },
    // Node would send a GET with a chunked body without marking its end.
    chunked: given.chunked && given.method !== 'GET',
    headers: {
      ...proof.headers,
      ...(given.type === null ? {} : { 'Content-Type': given.type }),
      ...given.headers,
    },
  };
}
