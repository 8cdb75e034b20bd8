// The authorization code flow with its pages and the exchange of the code: with a login, and in a browser that is signed in
// already. What counts is the CPU time of one flow. The password hash, which a login costs however it is made, is measured in
// turns with the flows and subtracted.
import type { CodeFlowLoad } from '../generator/code_flow.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { connections, ordersApi, password, redirect_uri, usernames, web } from '../peers/parties.ts';
import { hashFor } from './login.ts';

/** The users of each browser, in turns, so that no user has many sessions. */
const each = 12;
/** Flows before the first round, so that V8 has compiled what they run. */
const warming = 200;

/** Flows with a login, flows without, and hashes, in turns. */
export async function benchCodeFlow(stage: Stage): Promise<Found> {
  const peer = await startPeer(stage, 'code_flow', 'kindred', connections * each);
  const hasher = await stage.serve('peers/argon2.ts', { PASSWORD: password });
  await stage.generator.open('login', loadOf(peer.url, false), peer.pid);
  await stage.generator.open('signed in', loadOf(peer.url, true), peer.pid);
  // The first flow of each user and client asks for consent.
  await stage.generator.drive('login', { count: warming });
  await stage.generator.drive('signed in', { count: warming });
  const series = await takeTurns(stage, [
    contestant(stage, 'flow with a login', 'login'),
    contestant(stage, 'flow of a browser that is signed in', 'signed in'),
    { name: 'argon2id alone', drive: (seconds) => hashFor(hasher, seconds) },
  ]);
  for (const name of ['login', 'signed in']) await verifySignatures(peer, await stage.generator.newest(name));
  const [flow, , hash] = series.map((one) => one.median);
  const server = (flow?.cpu ?? Number.NaN) - (hash?.cpu ?? Number.NaN);
  return {
    figures: [
      figure('code flow: CPU of the server beyond the password hash', server),
      figure('code flow: CPU of Postgres', flow?.postgres ?? Number.NaN),
    ],
    series,
  };
}

function loadOf(url: string, stays: boolean): CodeFlowLoad {
  const names = usernames(connections * each);
  return {
    kind: 'code_flow',
    url,
    client: web,
    redirect_uri,
    scope: `openid profile ${ordersApi.scope}`,
    resource: ordersApi.resource,
    password,
    usernames: Array.from({ length: connections }, (_, n) => names.slice(n * each, (n + 1) * each)),
    stays,
  };
}
