// The metrics, on a port of their own: the public port does not show what only operators should see.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Deps } from '../../core/deps.ts';
import { describeStartProblem } from '../../core/operations/start_problems.ts';

export interface MetricsServer {
  close: () => Promise<void>;
}

/**
 * Serves `/metrics`; null when `METRICS_PORT` is 0. A port that is taken stops a server in production, where missing metrics
 * would go unnoticed until they are needed; elsewhere it is a warning.
 */
export async function serveMetrics(deps: Deps): Promise<MetricsServer | null> {
  const { config, log, metrics } = deps;
  const { host, port } = config.metrics;
  if (port === 0) return null;
  const server = createServer((request, response) => {
    if (request.url?.split('?')[0] !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404).end();
      return;
    }
    metrics.render().then(
      ({ type, text }) =>
        response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(text),
      (err) => {
        log.error({ err }, 'the metrics could not be read');
        response.writeHead(500).end();
      },
    );
  });
  try {
    await listen(server, host, port);
  } catch (error) {
    if (config.env === 'production') throw error;
    const { code } = error as NodeJS.ErrnoException;
    log.warn({ host, port, code }, `no metrics: ${describeStartProblem(error, config) ?? code}`);
    return null;
  }
  return { close: () => close(server) };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening');
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
