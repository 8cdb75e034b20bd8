// The account page of a user with a phone, a tablet, browsers, a laptop and sessions that have ended.
import type {
  AccountPage,
  ConsentView,
  DeviceView,
  EndedSessionView,
  SessionView,
} from '../../src/pages/account.ts';

/** The current time of the samples. */
export const now = new Date('2030-05-12T14:03:00Z');

/** The time this many seconds before `now`. */
export const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const safari =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1';

/** An account page with content in every part; `name`, if given, replaces every name on it. */
export function accountPage(change: Partial<AccountPage> = {}, name?: string): AccountPage {
  return {
    now,
    csrf: 'csrf-token',
    user: { username: name ?? 'ada', email: name ?? 'ada@lovelace.example' },
    devices: devices(name),
    ended: ended(name),
    consents: consents(name),
    endOthersAction: '/account/sessions/end-others',
    signOutAction: '/account/sign-out',
    accountUrl: '/account',
    deviceUrl: '/device',
    password: { action: '/account/password' },
    email: {
      address: name ?? 'ada@lovelace.example',
      isProved: true,
      pending: name ?? null,
      action: '/account/email',
      verifyAction: '/account/email/verify',
    },
    profile: {
      action: '/account/profile',
      values: { username: name ?? 'ada', name: name ?? 'Ada Lovelace', locale: name ?? 'en-GB' },
    },
    data: {
      exportAction: '/account/export',
      deleteAction: '/account/delete',
      asks: 'current_password' as const,
    },
    ...change,
  };
}

function devices(name: string | undefined): DeviceView[] {
  const session = (id: string, client: string, seconds: number): SessionView => ({
    id,
    client: { name: name ?? client },
    ip: '203.0.113.7',
    createdAt: before(30 * seconds),
    lastUsedAt: before(seconds),
    endAction: `/account/sessions/${id}/end`,
  });
  const device = (id: string, title: string | null, sessions: SessionView[]) => ({
    ...namelessDevice(id, sessions),
    name: name ?? title,
    endAction: `/account/devices/${id}/end`,
    renameAction: `/account/devices/${id}/rename`,
  });
  const tablet = '2001:db8:85a3:1234:5678:8a2e:370:7334';
  return [
    {
      ...namelessDevice('2', [session('2', 'Photo Printer', 7_000)]),
      name: name ?? null,
      userAgent: firefox,
      isCurrent: true,
      ip: '203.0.113.7',
      browserSince: before(500_000),
      endAction: '/account/browsers/1/end',
    },
    {
      ...device('1', 'Ada’s phone', [
        session('1', 'Kindred Notes', 40),
        session('4', 'Kindred Mail', 90_000),
      ]),
      userAgent: 'KindredNotes/4.2 (Android 16)',
      platform: 'android',
    },
    {
      ...device('3', 'Kitchen tablet', [{ ...session('3', 'Kindred Notes', 200_000), ip: tablet }]),
      userAgent: safari,
    },
    {
      ...namelessDevice('9', [session('5', 'Backup', 400_000), session('6', 'Backup', 500_000)]),
      name: name ?? null,
      userAgent: 'okhttp/4.12.0',
      lastUsedAt: before(900_000),
    },
    {
      ...namelessDevice('10', []),
      name: name ?? null,
      userAgent: safari,
      browserSince: before(900_000),
      endAction: '/account/browsers/2/end',
    },
    { ...device('11', 'Old laptop', [session('11', 'Kindred Mail', 1_000_000)]), platform: 'windows' },
  ];
}

// A device as its sessions alone describe it.
function namelessDevice(id: string, sessions: SessionView[]): DeviceView {
  return {
    id,
    name: null,
    platform: null,
    userAgent: null,
    ip: null,
    isCurrent: false,
    lastUsedAt: sessions[0]?.lastUsedAt ?? before(900_000),
    sessions,
  };
}

function ended(name: string | undefined): EndedSessionView[] {
  return [
    {
      name: name ?? 'Old laptop',
      platform: 'windows',
      client: { name: name ?? 'Kindred Notes' },
      userAgent: null,
      endedAt: before(90_000),
      reason: 'reuse_detected',
    },
    {
      name: name ?? null,
      platform: null,
      client: { name: name ?? 'Photo Printer' },
      userAgent: firefox,
      endedAt: before(400_000),
      reason: 'ended_by_user',
    },
  ];
}

function consents(name: string | undefined): ConsentView[] {
  return [
    {
      client: { name: name ?? 'Photo Printer', url: 'https://print.example/' },
      scopes: [
        { name: 'openid' },
        { name: 'email' },
        { name: name ?? 'photos:read', resourceServer: name ?? 'Photos' },
      ],
      since: before(3_000_000),
      withdrawAction: '/account/consents/1/withdraw',
    },
  ];
}
