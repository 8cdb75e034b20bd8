// The endpoints of OAuth 2.0 and OpenID Connect for the OpenAPI document: what a program sends and receives there. Which of them
// are switched on differs between deployments; the discovery document says that.
import { authorizationEndpoints } from './authorization_endpoints.ts';
import { discoveryEndpoints } from './discovery_endpoints.ts';
import { protocolTag } from './protocol_operation.ts';
import { tokenEndpoints } from './token_endpoints.ts';

const groups = [tokenEndpoints, authorizationEndpoints, discoveryEndpoints];

/** The paths of the protocol, and the tags, schemas and security schemes to which they refer. */
export function protocolPaths() {
  return {
    tags: [
      { name: protocolTag, description: 'The endpoints of the protocol, for clients and resource servers.' },
    ],
    paths: Object.fromEntries(groups.flatMap((group) => Object.entries(group.paths))),
    schemas: Object.fromEntries(groups.flatMap((group) => Object.entries(group.schemas))),
    securitySchemes: {
      client: { type: 'http', scheme: 'basic', description: 'The id and the secret of a client.' },
    },
  };
}
