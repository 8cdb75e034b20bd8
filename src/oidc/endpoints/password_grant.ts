// The password grant (RFC 6749, 4.3), for first-party clients only: a name and a password become a session.
import { X509Certificate } from 'node:crypto';
import { errors, type Grant } from 'oidc-provider';
import * as grants from 'oidc-provider/lib/helpers/grants.js';
import type { Deps } from '../../core/deps.ts';
import { attemptLogin } from '../../core/passwords/login_attempts.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import type { SessionWithUser } from '../../core/sessions/find_session.ts';
import { openSession } from '../../core/sessions/open_session.ts';
import type { Db } from '../../core/store/db.ts';
import { isActive } from '../../core/users/active_users.ts';
import { type DeviceParameters, deviceParameters } from '../../core/users/devices.ts';
import { registerKnownDevice } from '../../core/users/known_devices.ts';
import { findUser, type User } from '../../core/users/users.ts';
import { certificateThumbprint } from '../../lib/certificate.ts';
import { newId } from '../../lib/ids.ts';
import { idTokenClaims } from '../../token/password_request.ts';
import { accountOf } from '../request/accounts.ts';
import { nowInSeconds } from '../request/clocks.ts';
import { clientRow, rememberSession } from '../request/context.ts';
import { asRateLimitError, invalidGrant } from '../request/errors.ts';
import { defaultScopesOf, requireKnownScopes } from '../request/resources.ts';
import { answerWithTokens, type Binding, type Context } from './password_tokens.ts';

/** Answers one password request. Everything that needs no password is checked before it is hashed. */
export async function passwordGrant(deps: Deps, ctx: Context): Promise<void> {
  requireFirstParty(ctx);
  const { username, password } = requireCredentials(ctx);
  const device = readDevice(ctx);
  const { provider } = ctx.oidc;
  const dPoP = await grants.validateDpop(provider, ctx);
  grants.checkDpopRequired(provider, ctx, dPoP);
  const certificate = grants.checkMtlsCert(provider, ctx);
  await grants.resolveRequestedResources(provider, ctx);
  const scopes = requestedScopes(ctx);
  const { user, known } = await verifyCredentials(deps, ctx, { login: username, password, device });
  requireRole(user, scopes);
  await grants.checkDpopReplay(provider, ctx, dPoP, ctx.oidc.client.clientId);
  const binding = bindingOf(dPoP, certificate);
  const registered = await registerKnownDevice(deps.db, user, device, known);
  const session = await login(deps, ctx, user, { scopes, device_id: registered?.id ?? null, binding });
  await answerWithTokens(ctx, session, binding);
  if (registered) ctx.body = { ...(ctx.body as object), device_secret: registered.secret };
}

function bindingOf(
  dPoP: { thumbprint: string } | undefined,
  certificate: X509Certificate | string | undefined,
): Binding {
  if (dPoP) return { jkt: dPoP.thumbprint };
  return certificate instanceof X509Certificate ? { 'x5t#S256': certificateThumbprint(certificate) } : {};
}

function requireFirstParty(ctx: Context): void {
  if (clientRow(ctx.oidc.client).first_party) return;
  throw new errors.UnauthorizedClient('Only first-party clients may use the password grant.');
}

function requireCredentials(ctx: Context): { username: string; password: string } {
  const { username, password } = ctx.oidc.params;
  if (username && password) return { username, password };
  throw new errors.InvalidRequest(`missing required parameter(s): ${username ? 'password' : 'username'}`);
}

function readDevice(ctx: Context): DeviceParameters {
  const parsed = deviceParameters.safeParse(ctx.oidc.params);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new errors.InvalidRequest(`${issue?.path.join('.')}: ${issue?.message}`);
}

function requestedScopes(ctx: Context): string[] {
  if (!ctx.oidc.params.scope) return defaultScopesOf(ctx);
  requireKnownScopes(ctx, ctx.oidc.requestParamScopes);
  return [...ctx.oidc.requestParamScopes];
}

async function verifyCredentials(
  deps: Deps,
  ctx: Context,
  given: { login: string; password: string; device: DeviceParameters },
): Promise<{ user: User; known: string | null }> {
  const { clientId: client_id } = ctx.oidc.client;
  const result = await asRateLimitError(
    attemptLogin(deps, { ...given, client_id, source: requestSourceOf(ctx) }),
  );
  if (result.outcome === 'authenticated') return result;
  const user = result.outcome === 'inactive' ? result.user : null;
  throw invalidGrant(
    'wrong username or password',
    user ? `account_${user.status}` : undefined,
    user?.status_message,
  );
}

function requireRole(user: User, scopes: string[]): void {
  if (!scopes.includes('admin') || user.roles.includes('admin')) return;
  throw new errors.InvalidScope('The scope admin is for users with the role admin.', 'admin');
}

interface Login {
  scopes: string[];
  device_id: string | null;
  binding: Binding;
}

async function login(
  deps: Deps,
  ctx: Context,
  user: User,
  { scopes, device_id, binding }: Login,
): Promise<SessionWithUser> {
  const { db, config } = deps;
  const client = clientRow(ctx.oidc.client);
  const id = newId();
  const grant = buildGrant(ctx, id, user, scopes);
  const opened = await openSession(db, {
    id,
    user_id: user.id,
    proved_hash: user.password_hash,
    proved_epoch: user.session_epoch,
    client_id: client.client_id,
    device_id,
    grant_payload: { openid: grant.openid, resources: grant.resources },
    token_payload: tokenPayload(deps, ctx, id, { scopes, binding }),
    idle_ttl: client.session_idle_ttl ?? config.sessionIdleTtl,
    absolute_ttl: client.session_absolute_ttl ?? config.sessionAbsoluteTtl,
    source: requestSourceOf(ctx),
  });
  if (!opened) throw await overtaken(db, user.id);
  const session = {
    ...opened,
    ...user,
    ...opened,
    user_status: user.status,
    user_is_active: true,
    is_current: true,
    is_expired: false,
  };
  rememberSession(ctx, session);
  ctx.oidc.entity('Grant', grant);
  ctx.oidc.entity('Account', accountOf(session));
  return session;
}

// Something happened to the user while the password was being verified: a ban, a change of the password, a logout
// everywhere.
async function overtaken(db: Db, user_id: string): Promise<Error> {
  const user = await findUser(db, user_id);
  if (!user || (await isActive(db, user))) return invalidGrant('wrong username or password');
  return invalidGrant('the user may not log in any more', `account_${user.status}`, user.status_message);
}

function buildGrant(ctx: Context, id: string, user: User, scopes: string[]): Grant {
  const { provider, client, resourceServers } = ctx.oidc;
  const grant = new provider.Grant({ accountId: user.id, clientId: client.clientId });
  grant.jti = id;
  grant.addOIDCScope(scopes);
  for (const [identifier, server] of Object.entries(resourceServers)) {
    const granted = scopes.filter((scope) => server.scopes.has(scope));
    if (granted.length > 0) grant.addResourceScope(identifier, granted);
  }
  return grant;
}

// The engine binds the refresh tokens of public clients to the DPoP key (RFC 9449, 5); those of a confidential client
// are bound by its authentication, and remember only that proofs were used.
function tokenPayload(
  { clock }: Deps,
  ctx: Context,
  id: string,
  { scopes, binding }: Pick<Login, 'scopes' | 'binding'>,
): object {
  const isPublic = ctx.oidc.client.tokenEndpointAuthMethod === 'none';
  const resources = Object.keys(ctx.oidc.resourceServers);
  return {
    gty: 'password',
    scope: scopes.join(' '),
    resource: resources.length === 1 ? resources[0] : resources,
    authTime: nowInSeconds(clock),
    amr: ['pwd'],
    claims: idTokenClaims,
    sid: id,
    ...(isPublic ? binding : {}),
    ...(binding.jkt ? { dpop: true } : {}),
  };
}
