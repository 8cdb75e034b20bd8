// Traces by OpenTelemetry. This module loads the whole SDK, so it is imported only when an endpoint for traces is set.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Context,
  DiagLogLevel,
  defaultTextMapGetter,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import about from '../../package.json' with { type: 'json' };
import type { Log } from './log.ts';

export interface RequestEnd {
  route: string;
  status: number;
  request_id: string;
}

export interface Tracing {
  /** Runs `answer` in a span of the request, which continues the caller's trace (W3C `traceparent`) if there is one. */
  request: (method: string, headers: IncomingHttpHeaders, answer: () => Promise<RequestEnd>) => Promise<void>;
  /** Begins a span within the current request and returns the function that ends it; null outside of a request. */
  query: (
    system: string,
    query: { verb: string; table: string | null },
  ) => ((failed: boolean) => void) | null;
  /** Sends the pending spans, within the time that they may take at the end of a process. */
  close: () => Promise<void>;
}

/** Milliseconds that sending the last spans of a process may take. */
const closeTimeout = 3_000;

/** Opens tracing to the collector at `endpoint` (OTLP over HTTP). */
export function openTracing(endpoint: string, log: Log): Tracing {
  diag.setLogger(diagnostics(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const ours = resourceFromAttributes({ 'service.name': about.name, 'service.version': about.version });
  const resource = defaultResource()
    .merge(ours)
    .merge(detectResources({ detectors: [envDetector] }));
  const provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] });
  const tracer = provider.getTracer(about.name, about.version);
  const propagator = new W3CTraceContextPropagator();
  const current = new AsyncLocalStorage<Context>();
  return {
    async request(method, headers, answer) {
      const caller = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
      const span = tracer.startSpan(method, { kind: SpanKind.SERVER }, caller);
      try {
        describe(span, method, await current.run(trace.setSpan(caller, span), answer));
      } finally {
        span.end();
      }
    },
    query(system, { verb, table }) {
      const context = current.getStore();
      if (!context) return null;
      const attributes = {
        'db.system.name': system,
        'db.operation.name': verb,
        ...(table ? { 'db.collection.name': table } : {}),
      };
      const name = table ? `${verb} ${table}` : verb;
      const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, context);
      return (failed) => {
        if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      };
    },
    async close() {
      await Promise.race([
        provider.shutdown().catch(() => {}),
        sleep(closeTimeout, undefined, { ref: false }),
      ]);
    },
  };
}

function describe(span: Span, method: string, { route, status, request_id }: RequestEnd): void {
  span.updateName(`${method} ${route}`);
  span.setAttributes({
    'http.request.method': method,
    'http.route': route,
    'http.response.status_code': status,
    'kindred.request_id': request_id,
  });
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

function diagnostics(log: Log) {
  const warn = (message: string) => log.warn({ message }, 'traces');
  return { error: warn, warn, info() {}, debug() {}, verbose() {} };
}
