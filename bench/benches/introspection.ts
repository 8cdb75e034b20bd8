// Introspection by a caller with a secret, of JWTs and of opaque tokens, against the floor: a form, one indexed SELECT and the
// same answer. A new token has not been introspected before. A node need not verify the signature of a JWT that it signed itself,
// so JWTs of another node, a second server on the same database, are measured beside its own.
import type { Round } from '../generator/drive.ts';
import type { IntrospectionLoad } from '../generator/introspection.ts';
import type { RefreshLoad } from '../generator/refresh.ts';
import type { FigureName } from '../harness/bars.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { type Contestant, compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type RunningPeer, startPeer } from '../peers/index.ts';
import { startKindred } from '../peers/kindred.ts';
import { logIn, refreshLoad, type Wanted } from '../peers/logins.ts';
import { api, connections, opaqueApi, usernames } from '../peers/parties.ts';

const figures: Record<string, FigureName> = {
  'JWT, repeated': 'introspection, repeated JWT, against floor',
  'JWT of another node, new': 'introspection, new JWT of another node, against floor',
  'JWT of this node, new': 'introspection, new JWT of the same node, against floor',
  'opaque, repeated': 'introspection, repeated opaque token, against floor',
  'opaque, new': 'introspection, new opaque token, against floor',
};

/** Measures repeated and new tokens. All are compared with one floor, to which they are the same. */
export async function benchIntrospection(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'introspection', 'kindred');
  const other = await startKindred(stage, kindred.databaseUrl, 'introspection_other', {
    ISSUER: kindred.url,
  });
  const floor = await startPeer(stage, 'introspection', 'floor');
  const stock = await startPeer(stage, 'introspection', 'stock');
  const series = await takeTurns(stage, [
    await openRepeated(stage, floor, 'floor', {}),
    await openRepeated(stage, kindred, 'JWT, repeated', {}),
    await openNew(stage, kindred, 'JWT of another node, new', { issuedBy: { ...kindred, ...other } }),
    await openNew(stage, kindred, 'JWT of this node, new', {}),
    await openRepeated(stage, kindred, 'opaque, repeated', opaqueApi),
    await openNew(stage, kindred, 'opaque, new', { wanted: opaqueApi, answer: ['opaque'] }),
    await openRepeated(stage, stock, 'stock, opaque, repeated', opaqueApi),
  ]);
  return {
    figures: Object.entries(figures).map(([name, bar]) => {
      const { rate, note } = compare(series, name, 'floor');
      return figure(bar, rate, note);
    }),
    series,
  };
}

async function openRepeated(
  stage: Stage,
  peer: RunningPeer,
  name: string,
  wanted: Wanted,
): Promise<Contestant> {
  const repeated: string[] = [];
  for (const username of usernames()) repeated.push((await logIn(peer, username, wanted)).access_token);
  await stage.generator.open(name, { ...emptyLoad(peer), repeated }, peer.pid);
  return contestant(stage, name, name);
}

interface NewTokens {
  /** The server that issues the tokens, if it is not the one that introspects them. */
  issuedBy?: RunningPeer;
  wanted?: Wanted;
  answer?: NonNullable<RefreshLoad['answer']>;
}

async function openNew(
  stage: Stage,
  peer: RunningPeer,
  name: string,
  { issuedBy = peer, wanted = {}, answer = [] }: NewTokens,
): Promise<Contestant> {
  const source = `refreshes for ${name}`;
  const load = await refreshLoad(issuedBy, { keep: true, answer }, wanted);
  await stage.generator.open(source, load, issuedBy.pid);
  await stage.generator.open(name, emptyLoad(peer), peer.pid, source);
  return { name, drive: (seconds) => driveNew(stage, { name, source }, seconds) };
}

// New tokens come from refreshes before the round. When they run out the round ends early, which does not change its rate.
async function driveNew(
  { generator }: Stage,
  { name, source }: { name: string; source: string },
  seconds: number,
): Promise<Round> {
  await generator.drive(source, { seconds });
  return await generator.drive(name, { seconds });
}

function emptyLoad({ url, name }: RunningPeer): IntrospectionLoad {
  const path = name === 'stock' ? '/token/introspection' : '/introspect';
  return { kind: 'introspection', url, path, caller: api, repeated: [], chains: connections };
}
