// A client's metadata in the form of the engine, and the authentication methods and algorithms that this server offers.
import { type ClientMetadata, errors } from 'oidc-provider';
import { clientAlgs } from '../../core/clients/client_metadata.ts';
import { hasSecret } from '../../core/clients/client_rules.ts';
import type { Client } from '../../core/clients/clients.ts';
import { inferredType } from '../../core/clients/redirect_uris.ts';
import { responseAlgs } from '../../core/clients/response_algs.ts';
import type { Offer } from '../../core/clients/suitable_metadata.ts';
import type { Deps } from '../../core/deps.ts';
import { AppError } from '../../lib/errors.ts';
import type { SigningAlgs } from '../../lib/jws.ts';

const methods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;

/** How clients may authenticate; by a certificate only when a proxy forwards it. */
export function authMethods({ config }: Pick<Deps, 'config'>) {
  return [...methods, ...(config.certificateHeader ? (['self_signed_tls_client_auth'] as const) : [])];
}

/** Everything that a client's own metadata may choose from. */
export function offerOf(deps: Pick<Deps, 'config' | 'keys'>): Offer {
  return { signingAlgs: deps.keys.algs().offered, clientAlgs, authMethods: authMethods(deps) };
}

/** The placeholder that the engine sees as a client's secret; the real secrets are compared by their digests (models/client.ts). */
export const secretPlaceholder = 'compared elsewhere';

/** Our refusal of a client's metadata as an error of the engine; other errors stay as they are. */
export function refusingMetadata(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'invalid_client_metadata') return error;
  return new errors.InvalidClientMetadata(error.message);
}

const ourRows = new WeakSet<object>();

/** Whether this is a row that {@link engineMetadata} gave to the engine, and not a member of a client's document. */
export function isOurRow(kindred: unknown): boolean {
  return typeof kindred === 'object' && kindred !== null && ourRows.has(kindred);
}

/**
 * A client as the engine knows it. Our row is the member `kindred`; the engine only has to see that there is a secret (see
 * `compareClientSecret`). The algorithms of signed answers are always named: those of the client as long as the server signs by
 * them. The engine would refuse a client with another one altogether, long after it was registered.
 */
export function engineMetadata(client: Client, algs: SigningAlgs): ClientMetadata {
  ourRows.add(client);
  const {
    allowed_origins: _origins,
    registered_scope: _scope,
    id_token_claims: _claims,
    ...metadata
  } = client.metadata;
  const application_type = metadata.application_type ?? inferredType(metadata.redirect_uris);
  return {
    ...metadata,
    ...responseAlgs(client, algs),
    ...(application_type ? { application_type } : {}),
    client_id: client.client_id,
    ...(hasSecret(client.metadata) ? { client_secret: secretPlaceholder } : {}),
    kindred: client,
  } as ClientMetadata;
}
