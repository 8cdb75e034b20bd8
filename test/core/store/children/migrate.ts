// Migrates and prints the names of what it ran.
import { migrate } from '../../../../src/core/store/migrate.ts';

const [url = ''] = process.argv.slice(2);
console.log(JSON.stringify(await migrate(url)));
