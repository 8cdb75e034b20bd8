// Loads the settings of the environment and prints the secrets.
import { loadConfig } from '../../../config/index.ts';

const [DATABASE_URL] = process.argv.slice(2);
console.log(JSON.stringify(loadConfig({ DATABASE_URL }).secrets));
