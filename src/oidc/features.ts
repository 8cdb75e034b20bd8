// The features of the engine: which are on, and the functions that each of them calls.
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { isFapi2 } from '../core/clients/security_profile.ts';
import type { Deps } from '../core/deps.ts';
import { readCertificate } from '../lib/certificate.ts';
import { adoptDocumentClient } from './endpoints/document_clients.ts';
import type { EnginePages } from './pages/engine_response.ts';
import { noteScope } from './request/asked_scopes.ts';
import { requireGoodRequestObject } from './request/client_jwts.ts';
import { clientRow } from './request/context.ts';
import { longestLifetime } from './request/fetched_keys.ts';
import type { Outgoing } from './request/outgoing.ts';
import { resourceIndicators } from './request/resources.ts';

type Features = NonNullable<Configuration['features']>;

/** The features for these dependencies and pages; `outgoing` decides which documents of clients may be fetched. */
export function engineFeatures(deps: Deps, pages: EnginePages, outgoing: Outgoing): Features {
  return {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    externalSigningSupport: { enabled: true, ack: 'experimental-01' },
    resourceIndicators: resourceIndicators(deps),
    ...requestFeatures(deps),
    ...tokenFeatures(deps),
    ...browserFeatures(pages),
    ...registrationFeatures(deps, outgoing),
  };
}

function requestFeatures({ clock }: Deps) {
  return {
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: {
      enabled: true,
      // A pushed request was checked when it arrived, and its time is checked by the database.
      assertJwtClaimsAndHeader: ({ oidc }, claims, { alg }, client) => {
        noteScope(oidc, claims.scope);
        if (!oidc.entities.PushedAuthorizationRequest)
          requireGoodRequestObject(clock, { claims, alg, client });
      },
    },
    // The engine's own part of the profile: a request without redirect_uri is refused, even with one registered.
    fapi: {
      enabled: true,
      profile: (_ctx, client) => (client && isFapi2(clientRow(client).metadata) ? '2.0' : undefined),
    },
  } satisfies Features;
}

function tokenFeatures(deps: Deps) {
  return {
    // Discovery lists both endpoints; introspection_and_revocation.ts answers them. The engine's own actions would answer for no token.
    introspection: { enabled: true, allowedPolicy: () => false },
    jwtIntrospection: { enabled: true },
    jwtUserinfo: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => false },
    dPoP: { enabled: true },
    mTLS: mutualTls(deps.config.certificateHeader),
  } satisfies Features;
}

// Mutual TLS ends at the proxy, which passes the certificate on (RFC 8705): tokens can be bound to it, and clients can
// authenticate by one that they have registered.
function mutualTls(header: string | null): Features['mTLS'] {
  if (header === null) return { enabled: false };
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    getCertificate: (ctx) => readCertificate(ctx.get(header)) ?? undefined,
  };
}

function browserFeatures(pages: EnginePages) {
  return {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: pages.logoutSource,
      postLogoutSuccessSource: pages.postLogoutSuccessSource,
    },
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      mask: '****-****',
      userCodeInputSource: pages.userCodeInputSource,
      userCodeConfirmSource: pages.userCodeConfirmSource,
      successSource: pages.successSource,
      deviceInfo: (ctx: KoaContextWithOIDC) => ({ ip: ctx.ip, ua: ctx.get('user-agent').slice(0, 512) }),
    },
  } satisfies Features;
}

function registrationFeatures(deps: Deps, outgoing: Outgoing) {
  const { config } = deps;
  const isOn = config.registration !== 'off';
  return {
    registration: { enabled: isOn, initialAccessToken: config.registrationToken ?? false },
    registrationManagement: { enabled: isOn, rotateRegistrationAccessToken: true },
    clientIdMetadataDocument: {
      enabled: config.clientIdMetadataDocuments,
      ack: 'draft-02',
      allowFetch: outgoing.allowDocument,
      cacheDuration: { min: 30, max: longestLifetime },
      allowClient: async (_ctx, client) =>
        await adoptDocumentClient(deps, client, outgoing.fetchedAt(client.clientId)),
    },
  } satisfies Features;
}
