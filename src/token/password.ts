// The password grant at the fast entrance: a first-party client, unbound tokens for our own API, no ID token. Once the
// password was tried, this file also sends the refusal: trying the password again in the engine would count twice.
import type { Context } from 'koa';
import { defaultScopes, grantableOf, grantableOidc } from '../core/access_tokens/grantable_scopes.ts';
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { attemptLogin, type LoginAttempt } from '../core/passwords/login_attempts.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { openSession } from '../core/sessions/open_session.ts';
import { describeReason, wrongCredentials } from '../core/sessions/refusals.ts';
import { isActive } from '../core/users/active_users.ts';
import { type DeviceParameters, deviceParameters } from '../core/users/devices.ts';
import { registerKnownDevice } from '../core/users/known_devices.ts';
import { findUser, findUserAtVersion, type User } from '../core/users/users.ts';
import { AppError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { authenticateClient, type Credentials, mayUse } from './client_auth.ts';
import { type FastEntrance, type Given, openToPages } from './endpoint.ts';
import { idTokenClaims, passwordParameters } from './password_request.ts';
import { findTarget } from './target.ts';
import { tokenResponse } from './token_response.ts';

/** Answers logins that need nothing of the engine. */
export function passwordEntrance(deps: Deps): FastEntrance {
  return {
    parameters: ['grant_type', ...passwordParameters.filter((name) => name !== 'resource')],
    async answer(ctx, form, credentials) {
      const { username, password } = form;
      const plan = username && password ? await planLogin(deps, ctx, form, credentials) : null;
      if (!username || !password || !plan) return null;
      const { user, is_current_version } = await findUserAtVersion(deps.db, username, plan.known.version);
      if (is_current_version) return await logIn(deps, ctx, plan, { login: username, user, password });
      deps.clientCache.forget(plan.known.version);
      return null;
    },
  };
}

interface Plan {
  known: Registered;
  scopes: string[];
  /** The scopes among them that belong to our own API. */
  granted: string[];
  device: DeviceParameters;
}

// The checks that need no password. Null leaves the request to the engine; no password has been tried then. The plan holds as
// long as the version of the client cache is current.
async function planLogin(
  deps: Deps,
  ctx: Context,
  form: Given,
  credentials: Credentials,
): Promise<Plan | null> {
  const { config } = deps;
  const known = await authenticateClient(deps, ctx, credentials);
  if (!known?.client.first_party || !mayUse(known.client, 'password')) return null;
  const { client } = known;
  if (client.default_resource !== null && client.default_resource !== config.resource) return null;
  const server = known.servers.get(config.resource);
  if (server?.access_token_format === 'opaque') return null;
  const offered = grantableOf(client, { isOwn: true, registered: server ?? null }, null);
  const scopes = form.scope ? [...new Set(form.scope.split(' '))] : defaultScopes(client, offered);
  const possible = new Set([...grantableOidc(client), ...offered]);
  // `openid` needs an ID token, and `admin` depends on the user's roles.
  const isPlain = scopes.every((one) => possible.has(one) && one !== 'openid' && one !== 'admin');
  const device = deviceParameters.safeParse(form);
  if (!isPlain || scopes.length === 0 || !device.success) return null;
  return { known, scopes, granted: scopes.filter((one) => offered.includes(one)), device: device.data };
}

async function logIn(
  deps: Deps,
  ctx: Context,
  plan: Plan,
  given: Pick<LoginAttempt, 'login' | 'user' | 'password'>,
): Promise<object> {
  // From here on this entrance answers every outcome, refusals included.
  openToPages(ctx);
  ctx.state.route = '/token';
  const { client_id } = plan.known.client;
  const attempt = { ...given, device: plan.device, client_id, source: requestSourceOf(ctx) };
  const result = await attemptLogin(deps, attempt);
  if (result.outcome === 'refused') throw new AppError('invalid_grant', wrongCredentials);
  if (result.outcome === 'inactive') throw overtakenBy(result.user);
  return await openPlainSession(deps, ctx, plan, result);
}

async function openPlainSession(
  deps: Deps,
  ctx: Context,
  { known, scopes, granted, device }: Plan,
  { user, known: known_device }: { user: User; known: string | null },
): Promise<object> {
  const { db, config, clock } = deps;
  const registered = await registerKnownDevice(db, user, device, known_device);
  const { client } = known;
  const id = newId();
  const scope = scopes.join(' ');
  const session = await openSession(db, {
    id,
    user_id: user.id,
    proved_hash: user.password_hash,
    proved_epoch: user.session_epoch,
    client_id: client.client_id,
    device_id: registered?.id ?? null,
    grant_payload: {
      openid: { scope },
      ...(granted.length > 0 ? { resources: { [config.resource]: granted.join(' ') } } : {}),
    },
    token_payload: {
      gty: 'password',
      scope,
      resource: config.resource,
      authTime: Math.floor(clock.now() / 1000),
      amr: ['pwd'],
      claims: idTokenClaims,
      sid: id,
    },
    idle_ttl: client.session_idle_ttl ?? config.sessionIdleTtl,
    absolute_ttl: client.session_absolute_ttl ?? config.sessionAbsoluteTtl,
    source: requestSourceOf(ctx),
  });
  if (!session) throw await overtaken(deps, user.id);
  const more = registered ? { device_secret: registered.secret } : {};
  const opened = { ...user, ...session };
  const target = await findTarget(deps, known, opened, { resources: [] });
  return await tokenResponse(
    deps,
    known,
    { session: opened, generation: 0, target, binding: {}, gty: 'password' },
    more,
  );
}

// The refusal of a login during whose password check the user was banned, changed the password or ended all sessions.
async function overtaken({ db }: Deps, user_id: string): Promise<AppError> {
  const user = await findUser(db, user_id);
  return !user || (await isActive(db, user))
    ? new AppError('invalid_grant', wrongCredentials)
    : overtakenBy(user);
}

function overtakenBy({ status, status_message }: User): AppError {
  const reason = `account_${status}`;
  return new AppError('invalid_grant', status_message ?? describeReason(reason), { reason });
}
