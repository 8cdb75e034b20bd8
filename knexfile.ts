// The configuration of Knex's own command line. The server and `npm run migrate` use the same settings and the same folder.
import type { Knex } from 'knex';
import { loadConfig } from './config/index.ts';
import { knexConfig } from './src/core/store/db.ts';

const config: Knex.Config = {
  ...knexConfig(loadConfig().databaseUrl, { columnsByName: true }),
  migrations: { directory: './migrations', loadExtensions: ['.ts'], extension: 'ts' },
};

export default config;
