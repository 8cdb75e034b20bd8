// Examples of the schemas of the OpenAPI document. A test validates each against its schema.

const at = '2026-03-01T09:30:00.000Z';
const ids = {
  user: '019cad2e-7a10-7c3e-9f42-0a8f5d7c1b2e',
  session: '019cad2e-7a3f-7d11-8a60-5be1c2f4a9d3',
  device: '019cad2e-7a2b-7f77-b0c5-9c6d1e0f3a41',
};
const client = { client_id: 'phone-app', client_name: 'Phone app' };
const device = {
  id: ids.device,
  device_id: 'a3f1c9e2',
  name: "Ada's phone",
  platform: 'ios',
  app_version: '2.4.0',
};
const user_agent = 'PhoneApp/2.4.0 (iPhone; iOS 19.2)';
const session = {
  id: ids.session,
  client,
  device,
  ip: '203.0.113.9',
  user_agent,
  created_at: at,
  last_used_at: at,
  expires_at: '2026-03-08T09:30:00.000Z',
  is_current: true,
};
const user = {
  id: ids.user,
  username: 'ada',
  email: 'ada@example.com',
  status: 'active',
  status_reason: null,
  status_message: null,
  ban_expires_at: null,
  roles: ['customer'],
  permissions: ['orders:read'],
  tenant_id: null,
  token_version: 0,
  last_login_at: at,
  created_at: at,
  updated_at: at,
};

/** By the names of the schemas. */
export const examples: Record<string, unknown> = {
  Profile: {
    id: ids.user,
    username: 'ada',
    email: 'ada@example.com',
    roles: ['customer'],
    permissions: ['orders:read'],
    tenant_id: null,
    last_login_at: at,
    created_at: at,
  },
  ProfileChange: { username: 'ada.lovelace' },
  PasswordChange: {
    current_password: 'the old phrase of Ada',
    new_password: 'a new phrase that only Ada knows',
  },
  PasswordChangeResult: { sessions_ended: 2 },
  Session: session,
  SessionList: { sessions: [session], next_cursor: null },
  SessionStory: {
    ...session,
    generation: 3,
    ended_at: null,
    ended_reason: null,
    ended_by: null,
    rotations: [{ at, ip: '203.0.113.9', user_agent }],
  },
  Logout: { logout_all: true },
  LogoutResult: { sessions_ended: 3 },
  Device: { ...device, last_seen_at: at, created_at: at },
  DeviceChange: { name: 'My old phone' },
  User: user,
  NewUser: { username: 'ada', email: 'ada@example.com', roles: ['customer'] },
  UserChange: { roles: ['customer', 'admin'] },
  ForceLogout: { reason: 'the phone was lost' },
  BanUser: { reason: 'spam', expires_at: '2030-01-01T00:00:00Z', message: 'Write to help@example.com.' },
  UnbanUser: {},
  DisableUser: { reason: 'left the company' },
  EnableUser: {},
  DeleteUser: { reason: 'asked for it' },
  Event: {
    id: ids.session,
    created_at: at,
    type: 'login_failed',
    user_id: ids.user,
    session_id: null,
    client_id: 'phone-app',
    actor: null,
    actor_id: null,
    reason: 'wrong_credentials',
    ip: '203.0.113.9',
    user_agent,
    request_id: '6f0a1c1e-63c5-4a0c-9c0e-2d6d5f6f7a10',
    detail: null,
  },
  NewClient: {
    client_id: 'phone-app',
    client_name: 'Phone app',
    first_party: true,
    token_endpoint_auth_method: 'none',
    rotation_profile: 'mobile',
  },
  ClientChange: { client_name: 'Phone', access_token_ttl: null },
  NewClientSecret: { expires_in: 31_536_000, previous_expires_in: 86_400 },
  NewResourceServer: { identifier: 'https://api.example.com/', scope: 'orders:read orders:write' },
  ResourceServerChange: { scope: 'orders:read' },
  KeyRotation: { force: false },
};
