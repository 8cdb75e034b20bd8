// Before a server opens the database: checks that a connection pooler in between keeps locks and prepared statements, and
// brings the schema to this version.
import { type Config, ConfigError } from '../../config/index.ts';
import { openLog } from '../core/deps.ts';
import { migrate } from '../core/store/migrate.ts';
import { findPoolerProblem } from '../core/store/pooler.ts';
import { protectFiles } from '../core/store/sqlite_files.ts';

/** Refuses a pooler that would lose locks or statements, closes SQLite files to other users, and migrates. Logs a wait. */
export async function prepareDatabase(config: Config): Promise<void> {
  const problem = await findPoolerProblem(config);
  if (problem) throw new ConfigError([problem]);
  const log = openLog(config);
  const changed = protectFiles(config.databaseUrl);
  if (changed.length > 0) {
    log.warn({ files: changed }, 'files of the database were open to other users; now they are not');
  }
  await migrate(config.databaseDirectUrl, (text, data) => log.warn(data, text));
}
