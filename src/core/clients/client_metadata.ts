// The schemas of client metadata: the names of RFC 7591 and our own, and their permitted values.
import { z } from 'zod';
import { columnShape, uri } from './client_columns.ts';

/** The longest client id anywhere: enough for the URL of a metadata document, and less than the limit of an index. */
export const clientIdLength = 2048;

// Redirect URIs are compared exactly. A pattern would match nothing, so it is refused before an administrator relies on it.
const redirectUri = z
  .string()
  .max(2048)
  .refine((value) => !value.includes('*'), 'must be exact: * is no wildcard here, so list each URI')
  .meta({ format: 'uri', pattern: '^[^*]+$' });
/** Algorithms by which clients may sign what they send. */
export const clientAlgs = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const;

// The engine refuses other values of these members, with errors of its own. Here they are only described.
const grantTypes = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'password',
  'urn:ietf:params:oauth:grant-type:device_code',
];
const serverAlg = z.string().meta({ enum: ['ES256', 'RS256', 'PS256', 'EdDSA'] });

/** The members that a client may declare about itself: those of RFC 7591 and our own. */
export const metadataShape = {
  client_name: z.string().min(1).max(200).optional(),
  application_type: z.enum(['web', 'native']).optional(),
  redirect_uris: z.array(redirectUri).max(50).optional(),
  post_logout_redirect_uris: z.array(redirectUri).max(50).optional(),
  /** Empty for a client that only introspects tokens. */
  grant_types: z
    .array(z.string().max(200).meta({ enum: grantTypes }))
    .max(20)
    .optional(),
  response_types: z
    .array(
      z
        .string()
        .max(200)
        .meta({ enum: ['code'] }),
    )
    .max(20)
    .optional(),
  token_endpoint_auth_method: z
    .enum([
      'none',
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'self_signed_tls_client_auth',
    ])
    .optional(),
  token_endpoint_auth_signing_alg: z.string().meta({ enum: clientAlgs }).optional(),
  jwks: z.looseObject({ keys: z.array(z.looseObject({})).max(50) }).optional(),
  jwks_uri: uri.optional(),
  client_uri: uri.optional(),
  logo_uri: uri.optional(),
  policy_uri: uri.optional(),
  tos_uri: uri.optional(),
  contacts: z
    .array(z.string().max(254).meta({ format: 'email' }))
    .max(20)
    .optional(),
  software_id: z.string().max(200).optional(),
  software_version: z.string().max(200).optional(),
  id_token_signed_response_alg: serverAlg.optional(),
  default_max_age: z.number().int().min(0).optional(),
  require_auth_time: z.boolean().optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  tls_client_certificate_bound_access_tokens: z.boolean().optional(),
  backchannel_logout_uri: uri.optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
  require_signed_request_object: z.boolean().optional(),
  request_object_signing_alg: z.string().meta({ enum: clientAlgs }).optional(),
  introspection_signed_response_alg: serverAlg.optional(),
  userinfo_signed_response_alg: serverAlg.optional(),
  /** Whether ID tokens carry the claims of the granted scopes, see `token/id_token_claims.ts` for the default. */
  id_token_claims: z.boolean().optional(),
  initiate_login_uri: uri.optional(),
  /** The FAPI 2.0 Security Profile (`security_profile: "fapi2"`). */
  security_profile: z.enum(['fapi2']).optional(),
  /** Demands PKCE (RFC 7636) of this client, beside what the setting `PKCE` demands. */
  require_pkce: z.boolean().optional(),
  allowed_origins: z
    .array(
      z
        .string()
        .refine(isOrigin, 'must be an origin such as https://app.example')
        .meta({ format: 'uri', pattern: '^https?://[^/?#@A-Z\\x00-\\x20]+$' }),
    )
    .max(50)
    .optional()
    .describe('origins, as browsers send them, that may call /token beside those of redirect_uris'),
};

const blocked = z.boolean().describe('a blocked client cannot do anything, and its tokens are inactive');

/** A shorter secret can be guessed: 22 characters of base64url are 128 bits. */
export const minSecretLength = 22;

/** The schema of a new client, for the API and for `create-client --metadata`. */
export const newClient = z
  .strictObject({
    ...metadataShape,
    ...columnShape,
    client_id: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
      .optional(),
    // RFC 6749, appendix A.2.
    client_secret: z
      .string()
      .min(minSecretLength)
      .max(512)
      .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII characters')
      .optional(),
    first_party: z.boolean().default(false),
    blocked: blocked.optional(),
  })
  .refine(describesClient, {
    error:
      'does not describe the client: give a client_name, and redirect_uris if people sign in with a browser, grant_types for the grants that it uses, or resource_server if it is an API',
    // Only when nothing else is wrong: a malformed member was meant as a description.
    when: ({ issues }) => issues.length === 0,
  });

function describesClient({ client_secret: _secret, first_party, ...rest }: Record<string, unknown>): boolean {
  return first_party === true || Object.keys(rest).length > 0;
}

const nullable = <Shape extends Record<string, z.ZodType>>(shape: Shape) =>
  Object.fromEntries(Object.entries(shape).map(([name, field]) => [name, field.nullable()])) as {
    [Name in keyof Shape]: z.ZodNullable<Shape[Name]>;
  };

/** A change of a client: an absent member stays, a null member returns to its default (RFC 7396). */
export const clientChange = z.strictObject({
  ...nullable(metadataShape),
  ...nullable(columnShape),
  first_party: z.boolean().optional(),
  blocked: blocked.optional(),
  registered_by: z
    .literal('admin')
    .optional()
    .describe(
      'vouches for a client that registered itself or is described by a document: from then on only administrators change it',
    ),
});

export type ClientChange = z.input<typeof clientChange>;
export type NewClient = z.input<typeof newClient>;
export type ClientMetadata = z.output<z.ZodObject<typeof metadataShape>> & {
  /** For a client that no administrator vouches for: the scope that its registration allowed of the one it requested. */
  registered_scope?: string;
};

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && url.origin === value && ['http:', 'https:'].includes(url.protocol);
}
