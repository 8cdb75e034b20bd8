// Dynamic client registration (RFC 7591, RFC 7592) for the OpenAPI document.
import {
  type EndpointGroup,
  errorStatuses,
  json,
  jsonBody,
  number,
  ok,
  operation,
  text,
} from './protocol_operation.ts';

const uris = (description: string) => ({
  type: 'array',
  description,
  items: { type: 'string', format: 'uri' },
});

// The members that most clients use. Any other one of RFC 7591 may stand beside them.
const metadata = {
  client_name: text('the name that people see'),
  redirect_uris: uris('where the code may be sent; compared exactly'),
  post_logout_redirect_uris: uris('where the browser may go after a logout'),
  grant_types: {
    type: 'array',
    description: 'absent: `authorization_code` and `refresh_token`',
    items: { type: 'string' },
  },
  token_endpoint_auth_method: text('how the client authenticates; one that is not offered is replaced'),
  scope: text('space-delimited'),
};

const registered = { description: 'What is registered', ...json('ClientRegistration') };
const managed = [{ registration: [] }];
const clientId = {
  name: 'client_id',
  in: 'path',
  required: true,
  description: 'the id of the client',
  schema: { type: 'string', minLength: 1 },
};

export const registrationEndpoints: EndpointGroup = {
  schemas: {
    ClientDescription: {
      type: 'object',
      description:
        'Metadata of a client (RFC 7591, 2). Members that the server does not know or offer are left out or replaced.',
      required: ['redirect_uris'],
      properties: metadata,
      examples: [
        {
          client_name: 'Web app',
          redirect_uris: ['https://app.example.com/callback'],
          token_endpoint_auth_method: 'none',
        },
      ],
    },
    ClientRegistration: {
      type: 'object',
      required: ['client_id', 'registration_access_token', 'registration_client_uri'],
      properties: {
        client_id: text('the id of the client'),
        client_secret: text('shown here and never again; absent for a public client'),
        client_id_issued_at: number('seconds since 1970'),
        client_secret_expires_at: number('0: never'),
        registration_access_token: text(
          'for reading and changing the registration; changes with each update',
        ),
        registration_client_uri: text('where it is read and changed', { format: 'uri' }),
        rotation_profile: text('what happens to a refresh token that comes twice'),
        rotation_profile_description: text('what that means for this client, as a sentence'),
        refresh_token_retry_window: number(
          'seconds after a refresh in which the previous refresh token gets the same answer again',
        ),
        ...metadata,
      },
    },
  },
  paths: {
    '/register': {
      post: operation(
        'registerClient',
        'Register a client (RFC 7591)',
        'Where the setting `REGISTRATION` is `open`, or `token` with the initial access token. Otherwise 404.',
        {
          security: [{ registration: [] }, {}],
          requestBody: jsonBody('ClientDescription'),
          responses: { ...ok({ 201: registered }), ...errorStatuses(400, 401, 404, 413, 429) },
        },
      ),
    },
    '/register/{client_id}': {
      get: operation('readRegistration', 'Read a registration (RFC 7592)', 'By the client itself.', {
        security: managed,
        parameters: [clientId],
        responses: { ...ok({ 200: registered }), ...errorStatuses(400, 401, 403, 404) },
      }),
      put: operation(
        'updateRegistration',
        'Replace a registration (RFC 7592)',
        'The body names `client_id`, the `client_secret` if there is one, and all metadata: members that are absent get their defaults.',
        {
          security: managed,
          parameters: [clientId],
          requestBody: jsonBody('ClientDescription'),
          responses: { ...ok({ 200: registered }), ...errorStatuses(400, 401, 403, 404, 413, 429) },
        },
      ),
      delete: operation('deleteRegistration', 'Remove a registration (RFC 7592)', 'By the client itself.', {
        security: managed,
        parameters: [clientId],
        responses: { ...ok({ 204: { description: 'It is removed' } }), ...errorStatuses(400, 401, 403, 404) },
      }),
    },
  },
};
