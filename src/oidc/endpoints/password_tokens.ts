// The tokens that answer a login by password.
import type { Grant, TokenEndpointGrantContext } from 'oidc-provider';
import * as grants from 'oidc-provider/lib/helpers/grants.js';
import type { SessionWithUser } from '../../core/sessions/find_session.ts';
import { idTokenClaims } from '../../token/password_request.ts';
import { accountOf } from '../request/accounts.ts';

export type Context = TokenEndpointGrantContext<{ username?: string; password?: string }>;

/** What the tokens of a login are bound to: the key of a DPoP proof, or the certificate of the connection. */
export interface Binding {
  jkt?: string;
  'x5t#S256'?: string;
}

/** Makes the tokens of a session that was just opened, and answers with them. */
export async function answerWithTokens(
  ctx: Context,
  session: SessionWithUser,
  binding: Binding,
): Promise<void> {
  const { provider, client, grant } = ctx.oidc;
  if (!grant) throw new Error('a login has no grant');
  const payload = session.token_payload as { scope: string; resource: string; authTime: number };
  const source = new provider.RefreshToken({
    ...payload,
    client,
    accountId: session.user_id,
    grantId: session.id,
    gty: 'password',
  });
  const at = new provider.AccessToken({
    client,
    accountId: session.user_id,
    grantId: session.id,
    gty: 'password',
    sid: session.id,
  });
  Object.assign(at, binding);
  ctx.oidc.entity('RefreshToken', source);
  await grants.resolveAndApplyResource(provider, ctx, source, at, grant);
  ctx.oidc.entity('AccessToken', at);
  const accessToken = await at.save();
  const refreshToken = client.grantTypeAllowed('refresh_token') ? await source.save() : undefined;
  const idToken = source.scopes.has('openid') ? await issueIdToken(ctx, session, grant) : undefined;
  ctx.body = grants.buildTokenResponse(provider, {
    accessToken,
    expiresIn: at.expiration,
    idToken,
    refreshToken,
    scope: at.scope,
    tokenType: at.tokenType,
  });
}

async function issueIdToken(ctx: Context, session: SessionWithUser, grant: Grant): Promise<string> {
  const { authTime, amr, scope } = session.token_payload as {
    authTime: number;
    amr: string[];
    scope: string;
  };
  const claims = await accountOf(session).claims('id_token', scope, {}, []);
  const token = new ctx.oidc.provider.IdToken({ ...claims, auth_time: authTime, amr }, { ctx });
  Object.assign(token, {
    scope: grant.getOIDCScopeFiltered(scope.split(' ')),
    mask: idTokenClaims.id_token,
    rejected: [],
  });
  token.set('sid', session.id);
  return await token.issue({ use: 'idtoken' });
}
