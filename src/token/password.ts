// The password grant (RFC 6749, 4.3), for first-party clients alone: a name and a password become a session. Everything that
// needs no password is checked before it is hashed, and it is hashed once.
import { admitDevice } from '../core/actions/admit_device.ts';
import type { Deps } from '../core/deps.ts';
import { jtiHandle, replayModel, useOnce } from '../core/engine_records/single_use.ts';
import { attemptLogin } from '../core/passwords/login_attempts.ts';
import { openSession } from '../core/sessions/open_session.ts';
import { describeReason, wrongCredentials } from '../core/sessions/refusals.ts';
import type { Session } from '../core/sessions/sessions.ts';
import { isActive } from '../core/users/active_users.ts';
import { type DeviceParameters, deviceParameters } from '../core/users/devices.ts';
import { findUser, findUserAtVersion, type User } from '../core/users/users.ts';
import { AppError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Binding } from './access_token.ts';
import { proofUsedBefore, requireBinding } from './binding.ts';
import { jtiTtl } from './dpop.ts';
import { type Grant, type GrantRequest, OutdatedClient } from './grant.ts';
import { askForNewPassword, setNewPassword } from './new_password.ts';
import { findRequested, type RequestedServer, requestedScopes, requireHeld } from './requested.ts';
import { findTarget } from './target.ts';
import { tokenResponse } from './token_response.ts';

/** The parameters of the grant; only `resource` may be sent more than once. */
export const passwordParameters = [
  'username',
  'password',
  'auth_session',
  'new_password',
  'scope',
  'resource',
  ...Object.keys(deviceParameters.shape),
];

/** What a login asks for; none of it depends on the password. */
interface Plan {
  username: string;
  password: string;
  device: DeviceParameters;
  binding: Binding;
  servers: RequestedServer[];
  scopes: string[];
}

/** Answers a login by password. */
export const passwordGrant: Grant = async (deps, request) => {
  const plan = await planLogin(deps, request);
  const { device } = plan;
  const { known, source } = request;
  const mayHave = (one: User) => requireHeld(deps, one, plan.servers, plan.scopes);
  const { user, known: known_device } = request.form.auth_session
    ? { user: await setNewPassword(deps, request, mayHave), known: null }
    : await verifyPassword(deps, request, plan);
  mayHave(user);
  await useProof(deps, request);
  const registered = await admitDevice(deps.db, { user, known: known_device, source }, device);
  const session = await openLogin(deps, request, plan, { user, device_id: registered?.id ?? null });
  const target = await findTarget(deps, known, session, { resources: [] });
  const more = registered ? { device_secret: registered.secret } : {};
  const issue = { session, generation: 0, target, binding: plan.binding, gty: 'password' };
  return await tokenResponse(deps, known, issue, more);
};

async function planLogin(deps: Deps, request: GrantRequest): Promise<Plan> {
  const { known, form, resources } = request;
  if (!known.client.first_party)
    throw new AppError('unauthorized_client', 'Only first-party clients may use the password grant.');
  const { username = '', password = '' } = form;
  if (!form.auth_session && (!username || !password)) {
    const absent = username ? 'password' : 'username';
    throw new AppError('invalid_request', `missing required parameter(s): ${absent}`);
  }
  const device = readDevice(form);
  const binding = requireBinding(deps, request);
  const asking = { known, actsForItself: false };
  const servers = await findRequested(deps, asking, resources, form.scope);
  const scopes = requestedScopes(asking, form.scope, servers);
  return { username, password, device, binding, servers, scopes };
}

function readDevice(form: GrantRequest['form']): DeviceParameters {
  const parsed = deviceParameters.safeParse(form);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError('invalid_request', `${issue?.path.join('.')}: ${issue?.message}`);
}

// From here on every refusal is decided: the password must not be tried again with another state of the client.
async function verifyPassword(
  deps: Deps,
  { known, source }: GrantRequest,
  { username: login, password, device }: Plan,
): Promise<{ user: User; known: string | null }> {
  const { client_id } = known.client;
  const { user, is_current_version } = await findUserAtVersion(deps.db, login, known.version);
  if (!is_current_version) throw new OutdatedClient();
  const attempt = { login, user, password, device, client_id, source };
  const result = await attemptLogin(deps, attempt);
  if (result.outcome === 'authenticated') return result;
  if (result.outcome === 'replace') throw askForNewPassword(deps, client_id, result.user);
  if (result.outcome === 'inactive') throw mayNotLogIn(result.user);
  const { reason } = result;
  throw new AppError('invalid_grant', wrongCredentials, {
    logDetail: reason ? 'the user has to recover the account' : 'wrong username or password',
    ...(reason ? { reason } : {}),
    isDecided: true,
  });
}

// After the password, so that a refused login uses up no proof.
async function useProof({ db }: Deps, { known, proof }: GrantRequest): Promise<void> {
  if (!proof) return;
  const handle = jtiHandle(known.client.client_id, proof.jti);
  if (!(await useOnce(db, replayModel, handle, jtiTtl))) throw proofUsedBefore();
}

async function openLogin(
  deps: Deps,
  { known, source }: GrantRequest,
  { servers, scopes, binding }: Plan,
  { user, device_id }: { user: User; device_id: string | null },
): Promise<User & Session> {
  const { db, config, clock } = deps;
  const { client } = known;
  const id = newId();
  const session = await openSession(db, {
    id,
    user_id: user.id,
    proved_hash: user.password_hash,
    proved_epoch: user.session_epoch,
    client_id: client.client_id,
    device_id,
    grant_payload: grantPayload(servers, scopes),
    token_payload: {
      gty: 'password',
      scope: scopes.join(' '),
      resource: servers.length === 1 ? servers[0]?.identifier : servers.map(({ identifier }) => identifier),
      authTime: Math.floor(clock.now() / 1000),
      amr: ['pwd'],
      claims: idTokenClaims,
      sid: id,
      ...sessionBinding(known.client.metadata, binding),
    },
    idle_ttl: client.session_idle_ttl ?? config.sessionIdleTtl,
    absolute_ttl: client.session_absolute_ttl ?? config.sessionAbsoluteTtl,
    max_sessions: client.max_sessions,
    source,
  });
  if (!session) throw await overtaken(deps, user.id);
  return { ...user, ...session };
}

/**
 * The claims about the login (its time and method) in every ID token of the session, refreshes included. The form is that of
 * the parameter `claims` (OpenID Connect Core 1.0, 5.5).
 */
const idTokenClaims = { id_token: { auth_time: null, amr: null } };

// In the form of the engine's Grant.
function grantPayload(servers: RequestedServer[], scopes: string[]): object {
  const granted = servers
    .map(
      ({ identifier, scopes: offered }) =>
        [identifier, scopes.filter((one) => offered.includes(one))] as const,
    )
    .filter(([, ofServer]) => ofServer.length > 0)
    .map(([identifier, ofServer]) => [identifier, ofServer.join(' ')]);
  return {
    openid: { scope: scopes.join(' ') },
    ...(granted.length > 0 ? { resources: Object.fromEntries(granted) } : {}),
  };
}

// The refresh tokens of a public client are bound to its key or certificate (RFC 9449, 5). Those of a confidential client are
// bound by its authentication, and remember only that proofs were used.
function sessionBinding(
  { token_endpoint_auth_method }: GrantRequest['known']['client']['metadata'],
  binding: Binding,
): object {
  return {
    ...(token_endpoint_auth_method === 'none' ? binding : {}),
    ...(binding.jkt ? { dpop: true } : {}),
  };
}

// The refusal of a login during whose password check the user was banned, changed the password or ended all sessions.
async function overtaken({ db }: Deps, user_id: string): Promise<AppError> {
  const user = await findUser(db, user_id);
  return !user || (await isActive(db, user))
    ? new AppError('invalid_grant', wrongCredentials, {
        logDetail: 'wrong username or password',
        isDecided: true,
      })
    : mayNotLogIn(user);
}

function mayNotLogIn({ status, status_message }: User): AppError {
  const reason = `account_${status}`;
  return new AppError('invalid_grant', status_message ?? describeReason(reason), { reason });
}
