// `npm run bench [-- <names>]`: how fast refresh tokens rotate, measured against a floor in the same run. The floor does
// the least that any server in this process model must: parse a form, one UPDATE, one signature. Rounds of all peers
// alternate, so that a machine that slows down slows all of them; medians of the rounds are what counts.
import { availableParallelism, cpus, loadavg } from 'node:os';
import { startPostgres } from '../test/helpers/postgres.ts';
import { databaseUrl, query } from '../test/helpers/templates.ts';
import { drive, type Round } from './load.ts';
import { type Peer, peers, type RunningPeer } from './peers.ts';
import { printReport, type Report, saveReport, summarize } from './report.ts';
import { benchSweep } from './sweep.ts';

const connections = 16;
const rounds = 5;
/** Seconds; with five rounds of two peers the whole run stays below a minute. */
const warmUp = 1.5;
const roundLength = 3;

async function main(): Promise<void> {
  if (process.argv[2] === 'sweep') return await sweepInstead(process.argv.slice(3));
  const chosen = choosePeers(process.argv.slice(2));
  console.log(
    `${connections} connections, ${rounds} rounds of ${roundLength} s each, on ${describeMachine()}`,
  );
  const [load = 0] = loadavg();
  if (load > 1) console.log(`the machine is busy (load ${load.toFixed(1)}): only CPU time is to be trusted`);
  const postgres = await startPostgres();
  const running: RunningPeer[] = [];
  try {
    for (const peer of chosen) {
      await query(postgres.url, `create database bench_${peer.name}`);
      running.push(await peer.start(databaseUrl(postgres.url, `bench_${peer.name}`), connections));
    }
    const report = await measure(running);
    printReport(report);
    console.log(`\nwritten to ${await saveReport(report)}`);
  } finally {
    await Promise.all(running.map((peer) => peer.stop()));
    await postgres.stop();
  }
}

// What a sweep costs those who refresh meanwhile: `npm run bench -- sweep [rows] [sqlite]`.
async function sweepInstead([rows = '1000000', store]: string[]): Promise<void> {
  console.log(describeMachine());
  await benchSweep(Number(rows), store === 'sqlite' ? 'sqlite' : 'postgres');
}

async function measure(running: RunningPeer[]): Promise<Report> {
  for (const peer of running) await drive(peer, warmUp);
  const measured = new Map<string, Round[]>(running.map((peer) => [peer.name, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const peer of running) {
      const result = await drive(peer, roundLength);
      measured.get(peer.name)?.push(result);
      console.log(`round ${round}  ${peer.name.padEnd(8)} ${Math.round(result.per_second)} refreshes/s`);
    }
  }
  const results = [...measured].map(([name, done]) => summarize(name, done));
  const shares: Record<string, number> = {};
  for (const peer of running) shares[peer.name] = await peer.finish();
  return {
    at: new Date().toISOString(),
    machine: describeMachine(),
    load: loadavg()[0] ?? 0,
    settings: { connections, rounds, round_seconds: roundLength, postgres: '18, fsync off' },
    results,
    hot_share: shares,
  };
}

function choosePeers(names: string[]): Peer[] {
  const unknown = names.filter((name) => !peers.some((peer) => peer.name === name));
  if (unknown.length === 0) return peers.filter(({ name }) => names.length === 0 || names.includes(name));
  console.error(
    `bench: unknown: ${unknown.join(', ')}; there are ${peers.map(({ name }) => name).join(', ')}`,
  );
  process.exit(1);
}

function describeMachine(): string {
  return `${cpus()[0]?.model ?? 'an unknown CPU'}, ${availableParallelism()} cores, Node ${process.version}`;
}

await main();
