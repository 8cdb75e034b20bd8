// Starts a Postgres, prints its URL and waits for the worst.
import { startPostgres } from '../postgres.ts';

const { url } = await startPostgres();
console.log(url);
