// Plain refreshes on SQLite, against the same on Postgres. The file lies on the disk of the scratch folder.
import { join } from 'node:path';
import { makeScratch } from '../../test/helpers/scratch.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { createClientsAndUsers, startKindred } from '../peers/kindred.ts';
import { refreshLoad } from '../peers/logins.ts';

/** Both in turns. */
export async function benchSqlite(stage: Stage): Promise<Found> {
  const { generator } = stage;
  const scratch = await makeScratch();
  try {
    const databaseUrl = `sqlite:${join(scratch.path, 'bench.sqlite')}`;
    const sqlite = await startKindred(stage, databaseUrl, 'sqlite');
    await createClientsAndUsers(databaseUrl);
    await generator.open('SQLite', await refreshLoad({ ...sqlite, tokens: 'kindred' }), sqlite.pid);
    const postgres = await startPeer(stage, 'sqlite', 'kindred');
    await generator.open('Postgres', await refreshLoad(postgres), postgres.pid);
    const series = await takeTurns(
      stage,
      ['SQLite', 'Postgres'].map((name) => contestant(stage, name, name)),
    );
    await verifySignatures({ url: sqlite.url, name: 'kindred' }, await generator.newest('SQLite'));
    const { rate, note } = compare(series, 'SQLite', 'Postgres');
    return { figures: [figure('SQLite plain refresh against Postgres', rate, note)], series };
  } finally {
    await stage.clear();
    await scratch.remove();
  }
}
