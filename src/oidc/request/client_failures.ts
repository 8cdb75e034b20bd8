// Failed authentications of clients: limited per client and network, so that nobody guesses a secret and nobody locks the
// client out elsewhere, and told in the audit trail, once when they begin and once when they are too many.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { clientAuthAllowance } from '../../core/limits/rate_limits.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { AppError } from '../../lib/errors.ts';
import { networkOf } from '../../lib/network.ts';

/** Refuses with `rate_limited` when this client has failed too often from where the request comes from. */
export async function requireClientBudget(
  { limits }: Pick<Deps, 'limits'>,
  { ip }: { ip: string },
  client_id: string,
): Promise<void> {
  await limits.clientAuth.check(networkOf(ip), client_id);
}

/** The same as an answer. */
export async function hasClientBudget(...given: Parameters<typeof requireClientBudget>): Promise<boolean> {
  try {
    await requireClientBudget(...given);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'rate_limited') return false;
    throw error;
  }
}

/** Counts a refusal of the engine, if that is what it is. Names that no client has are counted together. */
export async function noteClientFailure(
  { limits, audit }: Deps,
  ctx: KoaContextWithOIDC,
  error: Error,
): Promise<void> {
  if (!(error instanceof errors.InvalidClientAuth)) return;
  const client_id = ctx.oidc.client?.clientId ?? null;
  const failures = await limits.clientAuth.count(networkOf(ctx.ip), client_id ?? '');
  const reason = failures === clientAuthAllowance.points ? 'rate_limited' : 'wrong_credentials';
  if (failures !== 1 && reason !== 'rate_limited') return;
  audit.add({ type: 'client_authentication_failed', client_id, reason, ...requestSourceOf(ctx) });
}
