// The endpoints of the protocol for the OpenAPI document: what a program sends and gets there. The discovery document
// stays the first place to look; what is switched on differs from deployment to deployment.
import { authorizationEndpoints } from './authorization_endpoints.ts';
import { discoveryEndpoints } from './discovery_endpoints.ts';
import { protocolTag } from './protocol_operation.ts';
import { tokenEndpoints } from './token_endpoints.ts';

const groups = [tokenEndpoints, authorizationEndpoints, discoveryEndpoints];

/** What the document has of the protocol: its paths, and what they refer to. */
export function protocolPaths() {
  return {
    tags: [
      { name: protocolTag, description: 'The endpoints of the protocol, for clients and resource servers.' },
    ],
    paths: Object.fromEntries(groups.flatMap((group) => Object.entries(group.paths))),
    schemas: Object.fromEntries(groups.flatMap((group) => Object.entries(group.schemas))),
    securitySchemes: {
      client: { type: 'http', scheme: 'basic', description: 'The name and the secret of a client.' },
    },
  };
}
