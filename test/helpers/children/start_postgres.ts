// Starts a Postgres, prints its URL and waits to be killed.
import { startPostgres } from '../postgres.ts';

const { url } = await startPostgres();
console.log(url);
