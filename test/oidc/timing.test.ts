// Time tells as little as words: an unknown user costs what a wrong password costs.
import { makeClient, makeUser } from '../helpers/builders.ts';
import { login } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

const pairs = 20;

async function measure(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Medians of so many logins with a wrong password and of so many of nobody, taken in turns. */
async function compare(server: TestServer, username: string, client_id: string): Promise<[number, number]> {
  const known: number[] = [];
  const unknown: number[] = [];
  for (let i = 0; i < pairs; i += 1) {
    const form = { password: `wrong ${i}` };
    known.push(await measure(() => login(server, { username }, { client_id }, form)));
    unknown.push(await measure(() => login(server, { username: `nobody-${i}` }, { client_id }, form)));
  }
  return [median(known), median(unknown)];
}

testOnServers('an unknown user takes as long as a wrong password', async (t, server) => {
  const { username } = await makeUser(server.db);
  const { client_id } = await makeClient(server.db);
  await compare(server, username, client_id);
  // On a busy machine a round may be spoilt; without the work on a decoy all three would be, by a factor of ten.
  for (let round = 1; ; round += 1) {
    const [known, unknown] = await compare(server, username, client_id);
    t.log(`${server.store}: wrong password ${known.toFixed(1)} ms, unknown user ${unknown.toFixed(1)} ms`);
    const ratio = unknown / known;
    const isNoise = ratio > 0.7 && ratio < 1.4;
    if (!isNoise && round < 3) continue;
    t.true(isNoise, `${ratio.toFixed(2)} times as long`);
    break;
  }
});
