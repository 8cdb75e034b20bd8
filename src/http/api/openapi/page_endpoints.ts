// The endpoints to which a client sends the browser, for the OpenAPI document: the authorization request and the logout.
import { authorizationParameters } from './authorization_endpoints.ts';
import {
  type EndpointGroup,
  form,
  ok,
  operation,
  page,
  pageErrorStatuses,
  text,
} from './protocol_operation.ts';
import type { Json } from './schemas.ts';

const logoutParameters = {
  id_token_hint: text('an ID token of the session: with it, the user is asked only where that is unclear'),
  client_id: text('the client, without `id_token_hint`'),
  post_logout_redirect_uri: text('where the browser goes afterwards, as registered', { format: 'uri' }),
  state: text('returned to `post_logout_redirect_uri`'),
  logout_hint: text('the user'),
};

const request = { client_id: text('the client'), ...authorizationParameters };

const query = (parameters: Record<string, Json>, required: string[]): Json[] =>
  Object.entries(parameters).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    description,
    schema,
  }));

const refused = { description: 'Any other refusal: a page', ...page };
const redirect = {
  description: 'Redirects the browser',
  content: { 'text/html': { schema: { type: 'string' } }, 'text/plain': { schema: { type: 'string' } } },
};

/** An endpoint that takes its parameters in the query and, for browsers that post them, in a form. */
function forBrowsers(
  get: { id: string; post: string; summary: string; what: string },
  { parameters, body, required }: { parameters: Record<string, Json>; body: string; required: string[] },
  answers: Record<number, Json>,
): Json {
  return {
    get: operation(get.id, get.summary, get.what, {
      security: [],
      parameters: query(parameters, required),
      responses: { ...ok(answers), ...pageErrorStatuses(400, 429) },
    }),
    post: operation(
      get.post,
      `${get.summary}, by a form`,
      'The answer is a redirect to the same request by GET.',
      {
        security: [],
        requestBody: form(body),
        responses: { ...ok({ 303: redirect }), ...pageErrorStatuses(400, 413, 415, 429), default: refused },
      },
    ),
  };
}

export const pageEndpoints: EndpointGroup = {
  schemas: {
    BrowserRequest: {
      type: 'object',
      required: ['client_id'],
      properties: request,
      examples: [{ client_id: 'web-app', response_type: 'code', scope: 'openid' }],
    },
    LogoutRequest: {
      type: 'object',
      properties: logoutParameters,
      examples: [{ client_id: 'web-app', post_logout_redirect_uri: 'https://app.example.com/' }],
    },
  },
  paths: {
    '/authorize': forBrowsers(
      {
        id: 'authorize',
        post: 'authorizeByForm',
        summary: 'Send the browser to the login',
        what: 'The client sends the browser here; the code comes back to `redirect_uri` (RFC 6749, 4.1; PKCE of RFC 7636).',
      },
      { parameters: request, body: 'BrowserRequest', required: ['client_id'] },
      {
        200: { description: 'The page that posts the code, with `response_mode=form_post`', ...page },
        303: redirect,
      },
    ),
    '/logout': forBrowsers(
      {
        id: 'endSession',
        post: 'endSessionByForm',
        summary: 'Send the browser to the logout',
        what: 'RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0). The page may ask the user first.',
      },
      { parameters: logoutParameters, body: 'LogoutRequest', required: [] },
      { 200: { description: 'The page', ...page }, 303: redirect },
    ),
  },
};
