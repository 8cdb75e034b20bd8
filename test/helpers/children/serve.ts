// A server as a process of its own: reports its port to its parent and stops when the parent disconnects or dies.
import { loadConfig } from '../../../config/index.ts';
import { startServer } from '../../../src/process/run_server.ts';

let ending: Promise<void> | null = null;
const starting = startServer(loadConfig(process.env));
process.once('disconnect', () => {
  ending ??= starting.then((server) => server.stop());
  void ending.finally(() => process.exit());
});
const { config } = await starting;
process.send?.({ port: config.port });
