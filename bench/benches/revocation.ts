// Revocation of refresh tokens. Alone: of sessions that were opened before, against the floor's refresh and stock. Behind
// logins: each client logs in and revokes at once, so that a revocation waits among hashes of passwords; against node-oauth.
import { type FilledSessions, idOf } from '../generator/hop.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import { type Stage, select } from '../harness/stage.ts';
import { type RunningPeer, startPeer } from '../peers/index.ts';
import { logIn, refreshLoad } from '../peers/logins.ts';
import { client_id, connections, password, secret, usernames } from '../peers/parties.ts';
import { fillSessions } from './fill.ts';

/** Sessions a second of the whole measurement, more than any server here revokes. */
const rate = 4_000;

/** Both measurements. */
export async function benchRevocation(stage: Stage): Promise<Found> {
  const alone = await benchAlone(stage);
  await stage.clear();
  const behind = await benchBehindLogins(stage);
  return {
    figures: [...alone.figures, ...behind.figures],
    series: [...(alone.series ?? []), ...(behind.series ?? [])],
  };
}

async function benchAlone(stage: Stage): Promise<Found> {
  const { generator, options } = stage;
  const total = Math.ceil((options.rounds + 1) * options.seconds * rate);
  const kindred = await startPeer(stage, 'revocation', 'kindred', 1);
  const sessions = await fillSessions(kindred, total);
  await generator.open('revocation', loadOf(kindred, sessions, secret), kindred.pid);
  const floor = await startPeer(stage, 'revocation', 'floor');
  await generator.open('floor', await refreshLoad(floor), floor.pid);
  const stock = await startPeer(stage, 'revocation', 'stock', 1);
  await fillStock(stock, total);
  await generator.open('stock', loadOf(stock, sessions, null), stock.pid);
  const series = await takeTurns(stage, [
    contestant(stage, 'revocation', 'revocation'),
    contestant(stage, "floor's refresh", 'floor'),
    contestant(stage, 'stock, revocation', 'stock'),
  ]);
  const { rate: measured, note } = compare(series, 'revocation', "floor's refresh");
  const revoked = series[0]?.rounds.reduce((sum, { count }) => sum + count, 0) ?? 0;
  await requireEnded(kindred, idOf(sessions, 0), revoked);
  return { figures: [figure('revocation against floor', measured, note)], series };
}

function loadOf({ url, name }: RunningPeer, sessions: FilledSessions, of: string | null) {
  const path = name === 'stock' ? '/token/revocation' : '/revoke';
  return { kind: 'revocation', url, path, client_id, secret: of, sessions, chains: connections } as const;
}

// Revoking answers 200 for an unknown token too (RFC 7009, 2.2), so the table has to say that sessions ended.
async function requireEnded({ databaseUrl }: RunningPeer, first: string, revoked: number): Promise<void> {
  const [row] = await select<{ ended: number; is_first: boolean }>(
    databaseUrl,
    `select count(*)::int as ended, bool_or(id = $1) as is_first from sessions where ended_at is not null`,
    [first],
  );
  if (!row || row.ended < revoked || !row.is_first)
    throw new Error(`${revoked} revocations ended ${row?.ended} sessions`);
}

// Refresh tokens and grants of stock, copies of those of one login; `numberedToken` makes the same ids.
async function fillStock(peer: RunningPeer, total: number): Promise<void> {
  await logIn(peer, 'user-0');
  for (const type of ['Grant', 'RefreshToken']) {
    await select(
      peer.databaseUrl,
      `insert into oidc_payloads (id, type, payload, "grantId", "expiresAt")
       select id, type, (payload || jsonb_build_object('jti', id)
           || case when payload ? 'grantId' then jsonb_build_object('grantId', lpad(n::text, 43, 'r')) else '{}' end)::text,
         case when payload ? 'grantId' then lpad(n::text, 43, 'r') end, "expiresAt"
       from (select n, lpad(n::text, 43, 'r') as id, type, payload::jsonb as payload, "expiresAt"
         from oidc_payloads, generate_series(0, $1::int - 1) n where type = $2) copies`,
      [total, type],
    );
  }
  await select(peer.databaseUrl, 'vacuum analyze');
}

async function benchBehindLogins(stage: Stage): Promise<Found> {
  const names = ['kindred', 'node_oauth'] as const;
  for (const name of names) {
    const { url, pid } = await startPeer(stage, 'behind', name);
    const load = { kind: 'login_revocation', url, client_id, password, usernames: usernames() } as const;
    await stage.generator.open(name, load, pid);
  }
  const series = await takeTurns(
    stage,
    names.map((name) => contestant(stage, `${name}, behind logins`, name)),
  );
  // Their CPU time is that of the logins before them.
  const [ours, theirs] = series.map((one) => one.median.p50);
  const measured = (ours ?? Number.NaN) / (theirs ?? Number.NaN);
  return { figures: [figure('revocation p50 behind logins against node_oauth', measured)], series };
}
