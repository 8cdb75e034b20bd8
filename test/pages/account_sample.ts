// The account page of somebody with a phone, a tablet, a browser and a past.
import type { AccountPage } from '../../src/pages/account.ts';

/** When the samples are looked at. */
export const now = new Date('2030-05-12T14:03:00Z');

/** So many seconds earlier. */
export const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const safari =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1';

/** An account page with something in every part; every name on it is `name` when one is given. */
export function accountPage(change: Partial<AccountPage> = {}, name?: string): AccountPage {
  const session = (id: string, title: string | null, seconds: number) => ({
    id,
    name: name ?? title,
    platform: null,
    client: { name: name ?? 'Kindred Notes' },
    ip: '203.0.113.7',
    createdAt: before(30 * seconds),
    lastUsedAt: before(seconds),
    isCurrent: false,
    endAction: `/account/sessions/${id}/end`,
    renameAction: `/account/sessions/${id}/rename`,
  });
  const { renameAction: _, ...unnamed } = session('2', null, 7_000);
  return {
    now,
    csrf: 'csrf-token',
    user: { username: name ?? 'ada', email: name ?? 'ada@lovelace.example' },
    sessions: [
      { ...session('1', 'Ada’s phone', 40), userAgent: 'KindredNotes/4.2 (Android 16)', platform: 'android' },
      { ...unnamed, userAgent: firefox, isCurrent: true, client: { name: name ?? 'Photo Printer' } },
      {
        ...session('3', 'Kitchen tablet', 200_000),
        userAgent: safari,
        ip: '2001:db8:85a3:1234:5678:8a2e:370:7334',
      },
    ],
    ended: [
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
    ],
    browserSessions: [
      {
        userAgent: firefox,
        ip: '203.0.113.7',
        createdAt: before(500_000),
        lastUsedAt: before(5),
        isCurrent: true,
        endAction: '/account/browsers/1/end',
      },
      {
        userAgent: safari,
        ip: null,
        createdAt: before(900_000),
        isCurrent: false,
        endAction: '/account/browsers/2/end',
      },
    ],
    consents: [
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
    ],
    endOthersAction: '/account/sessions/end-others',
    signOutAction: '/account/sign-out',
    password: { action: '/account/password' },
    ...change,
  };
}
