// Records that the server stores for anonymous requests: they live for minutes, and a network may make only a certain
// number of them in a minute.
import { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { networkOf } from '../../lib/network.ts';
import { currentRequest } from './context.ts';
import { asRateLimitError } from './errors.ts';

/** How long a browser session without a user lives unused, seconds: the time in which one of its forms can be sent. */
export const anonymousSessionTtl = 900;

interface EngineRecord {
  accountId?: unknown;
  loginTs?: unknown;
  /** Of an interaction: the browser session that it belongs to, and what was decided. */
  session?: { accountId?: unknown };
  result?: unknown;
  /** Of an interaction that has finished, see repeated_forms.ts. */
  isDone?: unknown;
  storedAs?: unknown;
}

/** Counts a record that is about to be stored for an anonymous request; too many are refused with 429. */
export async function countAnonymousRecord(
  { limits }: Deps,
  model: string,
  record: EngineRecord,
): Promise<void> {
  // Outside of the engine our own pages only change records that exist, as “Not you?” does.
  if (!Provider.ctx || !isAnonymous(model, record)) return;
  try {
    await asRateLimitError(limits.anonymousRecords.consume(networkOf(requestSourceOf(currentRequest()).ip)));
  } catch (error) {
    // The user sees the refusal as a page: a client would not know how to handle it.
    throw Object.assign(error as Error, { allow_redirect: false });
  }
}

function isAnonymous(model: string, record: EngineRecord): boolean {
  switch (model) {
    case 'Session':
      return record.loginTs === undefined && record.storedAs === undefined;
    case 'Interaction':
      return record.session?.accountId === undefined && record.result === undefined && record.isDone !== true;
    case 'PushedAuthorizationRequest':
      return isPublic();
    case 'DeviceCode':
      return currentRequest().oidc.route === 'device_authorization' && isPublic();
    default:
      return false;
  }
}

// A client that authenticates sends the requests of all of its users from one address, so it is not counted.
function isPublic(): boolean {
  return currentRequest().oidc.client?.clientAuthMethod === 'none';
}
