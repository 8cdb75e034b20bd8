// Before a server opens anything: is the way to the database one that it can work with, and is the schema that of this version.
import { type Config, ConfigError } from '../../config/index.ts';
import { openLog } from '../core/deps.ts';
import { migrate } from '../core/store/migrate.ts';
import { findPoolerProblem } from '../core/store/pooler.ts';
import { protectFiles } from '../core/store/sqlite_files.ts';

/** Refuses a way that would lose locks or statements, then migrates; a wait for other processes is logged. */
export async function makeDatabaseReady(config: Config): Promise<void> {
  const problem = await findPoolerProblem(config);
  if (problem) throw new ConfigError([problem]);
  const log = openLog(config);
  const changed = protectFiles(config.databaseUrl);
  if (changed.length > 0)
    log.warn({ files: changed }, 'files of the database were open to other users; now they are not');
  await migrate(config.databaseDirectUrl, (text, data) => log.warn(data, text));
}
