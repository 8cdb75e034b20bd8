// A server that sweeps on request of its parent, as its own job does: in its process, on its connections.
import { loadConfig } from '../../config/index.ts';
import { jobs, runJob } from '../../src/jobs.ts';
import { startServer } from '../../src/process/run_server.ts';

const server = await startServer(loadConfig(process.env));
const job = jobs.find((one) => one.name === 'sweep');
process.on('message', async () => {
  const start = performance.now();
  const counts = job ? await runJob(server.deps, job) : null;
  process.send?.({ counts, ms: performance.now() - start });
});
process.once('disconnect', () => void server.stop().finally(() => process.exit()));
process.send?.({ port: server.config.port });
