// Serves as an operator's node does and, told to stop, prints every module of OpenTelemetry that was loaded.
import { registerHooks } from 'node:module';

const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    const [, name] = /node_modules\/(@opentelemetry\/[^/]+)\//.exec(url) ?? [];
    if (name) loaded.add(name);
    return next(url, context);
  },
});

const { loadConfig } = await import('../../../config/index.ts');
const { startServer } = await import('../../../src/process/run_server.ts');
const server = await startServer(loadConfig(process.env));
const answer = await fetch(`http://127.0.0.1:${server.config.port}/jwks`);
await answer.text();
await server.stop();
console.log(JSON.stringify([...loaded].toSorted()));
process.exit();
