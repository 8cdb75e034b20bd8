// Refreshes of every kind of session, each beside the plain one of the same server: with an ID token, of a third-party
// client, bound to a key (DPoP), with an opaque access token, and by a client with a secret while rate limits are on. Stock
// refreshes with an ID token and with DPoP too.
import type { RefreshLoad } from '../generator/refresh.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, type Series, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type RunningPeer, startPeer, verifySignatures } from '../peers/index.ts';
import { boundLoad, refreshLoad, thirdPartyLoad } from '../peers/logins.ts';
import { confidential, connections, opaqueApi } from '../peers/parties.ts';

const withOpenid = { scope: 'openid account' };
const idToken: Partial<RefreshLoad> = { answer: ['id_token'] };
const opaque: Partial<RefreshLoad> = { answer: ['opaque'] };

/** All kinds in one run, because most bars compare one kind with another. */
export async function benchKinds(stage: Stage): Promise<Found> {
  const contestants = [
    ...(await openKindred(stage)),
    ...(await openOthers(stage)),
    ...(await openStock(stage)),
  ];
  const series = await takeTurns(
    stage,
    contestants.map((name) => contestant(stage, name, name)),
  );
  return { figures: figuresOf(series), series };
}

async function openKindred(stage: Stage): Promise<string[]> {
  const { generator } = stage;
  const peer = await startPeer(stage, 'kinds', 'kindred');
  const loads = {
    plain: await refreshLoad(peer),
    openid: await refreshLoad(peer, idToken, withOpenid),
    'third-party': await thirdPartyLoad(peer, 'openid profile offline_access'),
    DPoP: await boundLoad(peer),
    opaque: await refreshLoad(peer, opaque, opaqueApi),
  };
  for (const [name, load] of Object.entries(loads)) await generator.open(name, load, peer.pid);
  await generator.drive('DPoP', { count: connections });
  await verifySignatures(peer, await generator.newest('DPoP'));
  return Object.keys(loads);
}

// RS256 and rate limits are settings of a server, so each has one of its own.
async function openOthers(stage: Stage): Promise<string[]> {
  const rs256 = await startPeer(stage, 'kinds_rs256', 'kindred', connections, { SIGNING_ALG: 'RS256' });
  await open(stage, rs256, 'openid, RS256', await refreshLoad(rs256, idToken, withOpenid));
  // A session may refresh as often as a chain does; the counting is what is measured.
  const limited = await startPeer(stage, 'kinds_limited', 'kindred', connections, {
    RATE_LIMITS: 'memory',
    RATE_LIMIT_REFRESH: '999999/60',
    RATE_LIMIT_LOGIN_ADDRESS: '999999/60',
  });
  await open(stage, limited, 'secret, rate limits', await refreshLoad(limited, {}, { client: confidential }));
  const floor = await startPeer(stage, 'kinds', 'floor');
  await open(stage, floor, 'floor', await refreshLoad(floor));
  return ['openid, RS256', 'secret, rate limits', 'floor'];
}

async function openStock(stage: Stage): Promise<string[]> {
  const peer = await startPeer(stage, 'kinds', 'stock');
  await open(stage, peer, 'stock, openid', await refreshLoad(peer, idToken, withOpenid));
  await open(stage, peer, 'stock, DPoP', await boundLoad(peer));
  await open(stage, peer, 'stock, opaque', await refreshLoad(peer, opaque, opaqueApi));
  return ['stock, openid', 'stock, DPoP', 'stock, opaque'];
}

async function open({ generator }: Stage, peer: RunningPeer, name: string, load: RefreshLoad): Promise<void> {
  await generator.open(name, load, peer.pid);
}

function figuresOf(series: Series[]) {
  const against = (name: Parameters<typeof figure>[0], one: string, other: string) => {
    const { rate, note } = compare(series, one, other);
    return figure(name, rate, note);
  };
  return [
    against('openid refresh against plain refresh', 'openid', 'plain'),
    against('openid refresh against stock with an ID token', 'openid', 'stock, openid'),
    against('openid refresh with RS256 against floor', 'openid, RS256', 'floor'),
    against('DPoP refresh against plain refresh', 'DPoP', 'plain'),
    against('opaque refresh against plain refresh', 'opaque', 'plain'),
    against('openid refresh against floor', 'openid', 'floor'),
    against('opaque refresh against floor', 'opaque', 'floor'),
    against('third-party refresh against floor', 'third-party', 'floor'),
    against('DPoP refresh against floor', 'DPoP', 'floor'),
  ];
}
