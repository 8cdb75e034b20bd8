// The password grant of a user whose password was generated: it asks for a new one, and is completed with it. The answer has the form of
// OAuth 2.0 for First-Party Applications (draft-ietf-oauth-first-party-apps-04, 5.2): `insufficient_authorization` and `auth_session`.
import { replacePassword } from '../core/actions/replace_password.ts';
import type { Deps } from '../core/deps.ts';
import { proofOf } from '../core/passwords/credentials.ts';
import { openLogin, sealLogin, unfinishedLoginTtl } from '../core/passwords/unfinished_login.ts';
import { findUser, type User } from '../core/users/users.ts';
import { AppError } from '../lib/errors.ts';
import { type GrantRequest, OutdatedClient } from './grant.ts';

const contextOf = (client_id: string) => `client ${client_id}`;

/** The refusal after a right password that is good for a new one only; only this client can go on with its `auth_session`. */
export function askForNewPassword({ keyring, clock }: Deps, client_id: string, user: User): AppError {
  const login = { user_id: user.id, proof: proofOf(user) };
  const auth_session = sealLogin(keyring, login, contextOf(client_id), clock.now());
  const members = { auth_session, expires_in: unfinishedLoginTtl, factors: [{ type: 'new_password' }] };
  return new AppError('insufficient_authorization', undefined, { members, isDecided: true });
}

/**
 * Completes a login by `auth_session` and `new_password`, and returns its user; `mayHave` refuses what the user may not ask for, before
 * anything is changed. Refuses with `invalid_session` for an `auth_session` that
 * has expired, was used, or is of another client, and with `weak_password`, after which it can be sent again.
 */
export async function setNewPassword(
  deps: Deps,
  { known, form, source }: GrantRequest,
  mayHave: (user: User) => void,
): Promise<User> {
  const { auth_session = '', new_password } = form;
  const { client_id } = known.client;
  if (!new_password)
    throw new AppError('invalid_request', 'missing required parameter(s): new_password', { isDecided: true });
  if (!(await deps.clientCache.isCurrent(known.version))) throw new OutdatedClient();
  const login = openLogin(deps.keyring, auth_session, contextOf(client_id), deps.clock.now());
  const user = login && (await findUser(deps.db, login.user_id));
  if (!login || !user) throw new AppError('invalid_session', undefined, { isDecided: true });
  mayHave(user);
  return await replacePassword(deps, { ...login, new_password, client_id, source });
}
