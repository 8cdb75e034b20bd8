// The features of the engine: which are on, and the functions that each of them calls.
import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../core/deps.ts';
import { readCertificate } from '../lib/certificate.ts';
import { adoptDocumentClient } from './endpoints/document_clients.ts';
import type { EnginePages } from './pages/engine_response.ts';
import { isInTime } from './request/clocks.ts';
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
      // The times of a pushed request were checked by the database.
      assertJwtClaimsAndHeader: ({ oidc }, claims) => {
        if (oidc.entities.PushedAuthorizationRequest || isInTime(clock, claims)) return;
        throw new errors.InvalidRequestObject('The request object has expired or is not valid yet.');
      },
    },
  } satisfies Features;
}

function tokenFeatures(deps: Deps) {
  return {
    // Discovery lists both endpoints; introspection_and_revocation.ts answers them. The engine's own actions would answer for no token.
    introspection: { enabled: true, allowedPolicy: () => false },
    jwtIntrospection: { enabled: true },
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
