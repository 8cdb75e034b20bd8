// The probes of supervisors and load balancers for the OpenAPI document.
import { headersTooLarge } from './headers.ts';
import { type EndpointGroup, json, operation, text } from './protocol_operation.ts';

/** The tag of the probes. */
export const healthTag = 'Health';

const probe = (operationId: string, summary: string, description: string, responses: object) => ({
  get: {
    ...operation(operationId, summary, description, {
      security: [],
      responses: { ...responses, ...headersTooLarge },
    }),
    tags: [healthTag],
  },
});

export const healthEndpoints: EndpointGroup = {
  schemas: {
    Health: {
      type: 'object',
      required: ['status'],
      properties: { status: text('whether the process is up', { enum: ['ok'] }) },
      examples: [{ status: 'ok' }],
    },
    Readiness: {
      type: 'object',
      required: ['status'],
      properties: {
        status: text('whether the server can work', { enum: ['ready', 'not_ready', 'draining'] }),
        checks: {
          type: 'object',
          description: 'what was checked, and whether it is good; absent while draining',
          additionalProperties: { type: 'boolean' },
        },
        standby: text('the state of the synchronous standby of Postgres, where there is one'),
      },
      examples: [
        { status: 'ready', checks: { database: true, migrations: true, signing_key: true } },
        { status: 'draining' },
      ],
    },
  },
  paths: {
    '/healthz': probe('healthz', 'Ask whether the process is up', 'For the probe that restarts a process.', {
      200: { description: 'It is up', ...json('Health') },
    }),
    '/readyz': probe(
      'readyz',
      'Ask whether the server can work',
      'For the probe of a load balancer. The database is asked once a second at most.',
      {
        200: { description: 'It can work', ...json('Readiness') },
        503: { description: 'It cannot work now, or is shutting down', ...json('Readiness') },
      },
    ),
  },
};
