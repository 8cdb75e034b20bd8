// For Knex's own command line; the server and `npm run migrate` use the same settings and the same folder.
import type { Knex } from 'knex';
import { loadConfig } from './config/index.ts';
import { knexConfig } from './src/core/store/db.ts';

const config: Knex.Config = {
  ...knexConfig(loadConfig().databaseUrl),
  migrations: { directory: './migrations', loadExtensions: ['.ts'], extension: 'ts' },
};

export default config;
