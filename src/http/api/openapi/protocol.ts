// The endpoints beside our own API for the OpenAPI document: those of OAuth 2.0 and OpenID Connect, and the probes. Which of them
// are switched on differs between deployments; the discovery document says that.
import { authorizationEndpoints } from './authorization_endpoints.ts';
import { discoveryEndpoints } from './discovery_endpoints.ts';
import { healthEndpoints, healthTag } from './health_endpoints.ts';
import { pageEndpoints } from './page_endpoints.ts';
import { protocolTag } from './protocol_operation.ts';
import { registrationEndpoints } from './registration_endpoints.ts';
import { tokenEndpoints } from './token_endpoints.ts';

const groups = [
  tokenEndpoints,
  authorizationEndpoints,
  pageEndpoints,
  registrationEndpoints,
  discoveryEndpoints,
  healthEndpoints,
];

/** The paths of the protocol, and the tags and schemas to which they refer. */
export function protocolPaths() {
  return {
    tags: [
      { name: protocolTag, description: 'The endpoints of the protocol, for clients and resource servers.' },
      { name: healthTag, description: 'The probes of supervisors and load balancers.' },
    ],
    paths: Object.fromEntries(groups.flatMap((group) => Object.entries(group.paths))),
    schemas: Object.fromEntries(groups.flatMap((group) => Object.entries(group.schemas))),
  };
}
