// The engine's access tokens, made ours: `sid` binds them to a session, they end with it, and userinfo accepts JWTs too.
import type { Provider } from 'oidc-provider';
import { type AccessTokenClaims, isJwt } from '../../core/access_tokens/access_tokens.ts';
import { heldOidc, userinfoScope } from '../../core/access_tokens/held_scopes.ts';
import { findSessionOfToken } from '../../core/access_tokens/token_sessions.ts';
import { oidcScopes } from '../../core/clients/own_scopes.ts';
import { requireSenderConstrained } from '../../core/clients/security_profile.ts';
import type { Deps } from '../../core/deps.ts';
import { grantOf } from '../../core/sessions/token_session.ts';
import { fromEngine, toEngine } from '../request/clocks.ts';
import { clientRow, currentRequest, rememberSession } from '../request/context.ts';
import { asEngineError } from '../request/errors.ts';
import { findKnownClient } from '../request/known_clients.ts';
import { rememberVersion } from '../request/seen.ts';
import { subclass } from '../request/subclass.ts';

interface EngineModel {
  jti: string;
  iat: number;
  aud?: string;
  clientId: string;
  grantId: string;
  sid?: string;
  scope?: string;
  extra?: { token_version?: number; client_version?: number; userinfo_scope?: string };
  isSenderConstrained(): boolean;
  save(): Promise<string>;
}
type EngineModelClass = {
  new (payload: object): EngineModel;
  find: (value: string, options?: object) => Promise<EngineModel | undefined>;
};

/** The subclass for `AccessToken`. */
export function accessTokenModel(deps: Deps, base: Provider['AccessToken']): Provider['AccessToken'] {
  return subclass(
    base,
    (Base: EngineModelClass) =>
      class AccessToken extends Base {
        // Finds tokens for userinfo, opaque ones and JWTs, whatever they are for; none of them when its session has ended, its user is
        // inactive or a version was raised.
        static override async find(value: string, options?: object): Promise<EngineModel | undefined> {
          if (isJwt(value)) return await findJwt(deps, AccessToken, value);
          const token = await Base.find.call(AccessToken, value, options);
          const scope = token && (await findUserinfoScope(deps, liveClaims(deps, token)));
          // The engine expects a token without audience at userinfo.
          return token && scope !== null ? Object.assign(token, { scope, aud: undefined }) : undefined;
        }

        /** Does nothing: revoking one access token must not revoke the others of its session. */
        static async revokeByGrantId(): Promise<void> {}

        override async save(): Promise<string> {
          requireBound(this);
          this.sid = this.grantId;
          if (this.aud === deps.config.resource) this.scope = withOidcScopes(this.scope);
          return await super.save();
        }
      },
  );
}

function requireBound(token: EngineModel): void {
  const ctx = currentRequest();
  try {
    requireSenderConstrained(clientRow(ctx.oidc.client).metadata, token.isSenderConstrained());
  } catch (error) {
    throw asEngineError(ctx, error);
  }
}

async function findJwt(deps: Deps, Model: EngineModelClass, value: string): Promise<EngineModel | undefined> {
  const claims = deps.verifier.read(value);
  const scope = claims?.sid ? await findUserinfoScope(deps, claims) : null;
  if (!claims || scope === null) return undefined;
  const { sub, client_id, sid, jti, exp, iat, cnf } = claims;
  const { clock } = deps;
  const times = { exp: toEngine(clock, exp), iat: toEngine(clock, iat) };
  return new Model({ jti, ...times, scope, accountId: sub, clientId: client_id, grantId: sid, sid, ...cnf });
}

// What the token is good for at userinfo, or null when it is not live. Its session is read at the same time, for the claims about the user
// and for the grant.
async function findUserinfoScope(deps: Deps, claims: AccessTokenClaims): Promise<string | null> {
  const found = await findSessionOfToken(deps.db, claims);
  if (!found) return null;
  const { version, ...session } = found;
  rememberSession(currentRequest(), session);
  rememberVersion(version);
  const client = await findKnownClient(deps, claims.client_id);
  return client && userinfoScope(claims, heldOidc(client, grantOf(session)), deps.config.resource);
}

function liveClaims(deps: Deps, token: EngineModel) {
  return {
    ...{
      iss: deps.config.issuer,
      sub: '',
      exp: 0,
      iat: fromEngine(deps.clock, token.iat),
      jti: token.jti,
      client_id: token.clientId,
      sid: token.grantId,
      ...(token.aud === undefined ? {} : { aud: token.aud }),
      ...(token.scope === undefined ? {} : { scope: token.scope }),
    },
    ...token.extra,
  };
}

// The engine gives the server's own scopes to tokens for userinfo alone; the token of the default resource serves both.
function withOidcScopes(scope: string | undefined): string {
  const { oidc } = currentRequest();
  const asked = oidc.params?.scope
    ? oidc.requestParamScopes
    : (oidc.refreshToken ?? oidc.authorizationCode)?.scopes;
  const wanted = oidcScopes.filter((one) => !asked || asked.has(one));
  const granted = oidc.grant?.getOIDCScopeFiltered(wanted).split(' ') ?? [];
  return [...granted, ...(scope?.split(' ') ?? [])].filter(Boolean).join(' ');
}
