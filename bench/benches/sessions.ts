// The list of a user's five live sessions, against one SELECT of five rows.
import { decodeJwt } from 'jose';
import type { SessionsLoad } from '../generator/sessions.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type RunningPeer, startPeer } from '../peers/index.ts';
import { logIn } from '../peers/logins.ts';
import { connections } from '../peers/parties.ts';

const live = 5;

/** Each connection lists the sessions of a user of its own. */
export async function benchSessions(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'sessions', 'kindred');
  const floor = await startPeer(stage, 'sessions', 'floor');
  await stage.generator.open('kindred', await kindredLoad(kindred), kindred.pid);
  await stage.generator.open('floor', floorLoad(floor), floor.pid);
  const series = await takeTurns(
    stage,
    ['kindred', 'floor'].map((name) => contestant(stage, name, name)),
  );
  const { rate, note } = compare(series, 'kindred', 'floor');
  return { figures: [figure('list of 5 sessions against floor, aged database', rate, note)], series };
}

async function kindredLoad(peer: RunningPeer): Promise<SessionsLoad> {
  const load: SessionsLoad = { kind: 'sessions', url: peer.url, tokens: [], current: [], length: live };
  for (let index = 0; index < connections; index += 1) {
    let token = '';
    for (let login = 0; login < live; login += 1) {
      token = (await logIn(peer, `user-${index}`)).access_token;
    }
    load.tokens.push(token);
    load.current.push(String(decodeJwt(token).sid));
  }
  return load;
}

// The floor verifies nothing: its bearer token is the user's number, and the ids of the user's sessions are five numbers in a row.
function floorLoad({ url }: RunningPeer): SessionsLoad {
  const tokens = Array.from({ length: connections }, (_, user) => String(user));
  return {
    kind: 'sessions',
    url,
    tokens,
    current: tokens.map((user) => String(live * Number(user))),
    length: live,
  };
}
