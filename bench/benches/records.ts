// `npm run bench -- records [refreshes]`: what opaque access tokens leave in `oidc_models`, after a million refreshes and after
// the sweep that follows their expiry. Tokens live a minute here, so that the sweep need not wait for long.
import { setTimeout as sleep } from 'node:timers/promises';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import type { Found } from '../harness/report.ts';
import { askChild, type Stage, select } from '../harness/stage.ts';
import { createClientsAndUsers, kindredEnvironment } from '../peers/kindred.ts';
import { refreshLoad } from '../peers/logins.ts';

const brief = { resource: 'https://brief.example.test/', scope: 'notes:read' };
/** Seconds. */
const lifetime = 60;

/** `args`: the number of refreshes. */
export async function benchRecords(stage: Stage, [wanted = '1000000']: string[]): Promise<Found> {
  const url = await stage.createDatabase('records');
  const server = await stage.serve('peers/sweep_server.ts', { ...kindredEnvironment(url), JOBS: 'false' });
  await createClientsAndUsers(url);
  await createBriefApi(url);
  const load = await refreshLoad({ url: server.url, tokens: 'kindred' }, { answer: ['opaque'] }, brief);
  await stage.generator.open('records', load, server.pid);
  const before = await readRecords(url);
  const round = await stage.generator.drive('records', { count: Number(wanted) });
  const after = await readRecords(url);
  await sleep((lifetime + 1) * 1000);
  const swept = await askChild<{ ms: number }>(server, 'sweep');
  return {
    figures: [],
    facts: {
      refreshes: round.count,
      'refreshes a second': round.per_second.toFixed(0),
      before,
      after,
      'after the sweep': await readRecords(url),
      'seconds of sweeping': (swept.ms / 1000).toFixed(1),
    },
  };
}

async function createBriefApi(databaseUrl: string): Promise<void> {
  const db = openDatabase(databaseUrl, { pool: 1 });
  try {
    await createResourceServer(db, {
      identifier: brief.resource,
      scope: brief.scope,
      access_token_format: 'opaque',
      access_token_ttl: lifetime,
    });
  } finally {
    await db.destroy();
  }
}

async function readRecords(databaseUrl: string): Promise<{ rows: number; mebibytes: string } | undefined> {
  const [row] = await select<{ rows: number; mebibytes: string }>(
    databaseUrl,
    `select count(*)::int as rows, round(pg_total_relation_size('oidc_models') / 1048576.0, 1)::text as mebibytes
     from oidc_models`,
  );
  return row;
}
