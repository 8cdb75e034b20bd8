// Failed authentications of clients. They are limited per client and network, so that a secret cannot be guessed and a
// client cannot be locked out from elsewhere. The audit trail gets the first failure and the one that reaches the limit.
import type { Deps } from '../core/deps.ts';
import { clientAuthAllowance } from '../core/limits/rate_limits.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { AppError } from '../lib/errors.ts';
import { networkOf } from '../lib/network.ts';

/** Refuses with `rate_limited` when this client has failed too often from the network of the request. */
export async function requireClientBudget(
  { limits }: Pick<Deps, 'limits'>,
  { ip }: { ip: string },
  client_id: string,
): Promise<void> {
  await limits.clientAuth.check(networkOf(ip), client_id);
}

/** Whether {@link requireClientBudget} would let the client through. */
export async function hasClientBudget(...given: Parameters<typeof requireClientBudget>): Promise<boolean> {
  try {
    await requireClientBudget(...given);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'rate_limited') return false;
    throw error;
  }
}

/** Counts a failure. `client_id` is null when no client has that id; such failures are counted together. */
export async function countClientFailure(
  { limits, audit }: Pick<Deps, 'limits' | 'audit'>,
  request: Parameters<typeof requestSourceOf>[0],
  client_id: string | null,
): Promise<void> {
  const failures = await limits.clientAuth.count(networkOf(request.ip), client_id ?? '');
  const reason = failures === clientAuthAllowance.points ? 'rate_limited' : 'wrong_credentials';
  if (failures !== 1 && reason !== 'rate_limited') return;
  audit.add({ type: 'client_authentication_failed', client_id, reason, ...requestSourceOf(request) });
}
