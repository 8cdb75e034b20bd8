// Userinfo (OpenID Connect Core 1.0, 5.3) with an access token that was seen before, against the floor's introspection. It has
// no bar.
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { startPeer } from '../peers/index.ts';
import { logIn } from '../peers/logins.ts';
import { api, connections, usernames } from '../peers/parties.ts';

/** Kindred and the floor in turns. */
export async function benchUserinfo(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'userinfo', 'kindred');
  const tokens: string[] = [];
  for (const username of usernames())
    tokens.push((await logIn(kindred, username, { scope: 'openid profile email' })).access_token);
  const load = { kind: 'get', url: kindred.url, paths: ['/userinfo'], tokens, contains: '"sub":' } as const;
  await stage.generator.open('userinfo', { ...load, paths: [...load.paths] }, kindred.pid);
  const floor = await startPeer(stage, 'userinfo', 'floor');
  const repeated: string[] = [];
  for (const username of usernames()) repeated.push((await logIn(floor, username)).access_token);
  await stage.generator.open(
    'floor',
    { kind: 'introspection', url: floor.url, caller: api, repeated, chains: connections },
    floor.pid,
  );
  const series = await takeTurns(stage, [
    contestant(stage, 'userinfo', 'userinfo'),
    contestant(stage, "floor's introspection", 'floor'),
  ]);
  const { rate, note } = compare(series, 'userinfo', "floor's introspection");
  return { figures: [], series, facts: { 'userinfo against the floor': `${rate.toFixed(2)}; ${note}` } };
}
