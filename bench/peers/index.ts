// The servers that the bench compares. Each runs in a process of its own, on a database of its own, and reports its port.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { WrongAnswer } from '../generator/index.ts';
import type { RefreshLoad } from '../generator/refresh.ts';
import type { Child, Stage } from '../harness/stage.ts';
import { createClientsAndUsers, startKindred } from './kindred.ts';
import { client_id, connections, password } from './parties.ts';

export type PeerName = 'kindred' | 'floor' | 'node_oauth' | 'stock';

export interface RunningPeer extends Child {
  name: PeerName;
  databaseUrl: string;
  tokens: RefreshLoad['tokens'];
}

/** Starts a peer on a new database, with its clients and `users` users (`user-0` …). `changes` are settings of Kindred. */
export async function startPeer(
  stage: Stage,
  bench: string,
  name: PeerName,
  users = connections,
  changes: Record<string, string> = {},
): Promise<RunningPeer> {
  const databaseUrl = await stage.createDatabase(`${bench}_${name}`);
  if (name !== 'kindred') {
    const env = { DATABASE_URL: databaseUrl, USERS: String(users), PASSWORD: password, CLIENT_ID: client_id };
    const child = await stage.serve(`peers/${name}.ts`, env);
    return { ...child, name, databaseUrl, tokens: name === 'floor' ? 'floor' : 'random' };
  }
  const child = await startKindred(stage, databaseUrl, bench, changes);
  await createClientsAndUsers(databaseUrl, users);
  return { ...child, name, databaseUrl, tokens: 'kindred' };
}

/** Verifies the last token of each chain. To verify every answer in the generator would measure the generator. */
export async function verifySignatures(
  { url, name }: Pick<RunningPeer, 'url' | 'name'>,
  tokens: string[],
  alg = 'ES256',
): Promise<void> {
  if (tokens.length === 0) throw new WrongAnswer(`${name}: there is no access token to verify`);
  const keys = createRemoteJWKSet(new URL(`${url}/jwks`));
  for (const token of tokens) {
    await jwtVerify(token, keys, { issuer: url, typ: 'at+jwt', algorithms: [alg] }).catch((error) => {
      throw new WrongAnswer(`${name}: ${error.message}: ${token}`);
    });
  }
}
