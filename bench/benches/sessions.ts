// Loads that list a user's five live sessions, and the floor's, which reads five rows.
import { decodeJwt } from 'jose';
import type { SessionsLoad } from '../generator/sessions.ts';
import type { RunningPeer } from '../peers/index.ts';
import { logIn } from '../peers/logins.ts';
import { connections, usernames } from '../peers/parties.ts';

const live = 5;

/** Each connection lists the sessions of a user of its own. `user-0` is left out: the filled sessions are copies of one of it. */
export async function sessionsLoad(peer: RunningPeer): Promise<SessionsLoad> {
  const load: SessionsLoad = { kind: 'sessions', url: peer.url, tokens: [], current: [], length: live };
  for (const username of usernames(connections + 1).slice(1)) {
    let token = '';
    for (let login = 0; login < live; login += 1) token = (await logIn(peer, username)).access_token;
    load.tokens.push(token);
    load.current.push(String(decodeJwt(token).sid));
  }
  return load;
}

/** The floor verifies nothing: its bearer token is the user's number, and the ids of the user's sessions are five numbers in a row. */
export function floorSessionsLoad({ url }: RunningPeer): SessionsLoad {
  const tokens = Array.from({ length: connections }, (_, user) => String(user));
  return {
    kind: 'sessions',
    url,
    tokens,
    current: tokens.map((user) => String(live * Number(user))),
    length: live,
  };
}
