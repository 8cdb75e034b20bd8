// Records that the server keeps for requests of nobody it knows yet: they live for minutes, and no network makes more than
// some in a minute.
import { Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { networkOf } from '../../lib/network.ts';
import { currentRequest } from './context.ts';
import { asRateLimitError } from './errors.ts';

/** Seconds that a browser session of nobody goes on unused: as long as a form of it may be looked at before it is sent. */
export const strangerSessionTtl = 900;

interface EngineRecord {
  accountId?: unknown;
  loginTs?: unknown;
  /** Of an interaction: the browser session that it belongs to, and what has been decided. */
  session?: { accountId?: unknown };
  result?: unknown;
  /** Of an interaction that has led on, see repeated_forms.ts. */
  isDone?: unknown;
  storedAs?: unknown;
}

/** Counts a record that is about to be written, when anybody could have asked for it; too many are refused with 429. */
export async function countStrangersRecord(
  { limits }: Deps,
  model: string,
  record: EngineRecord,
): Promise<void> {
  // Outside of the engine our own pages only change what is there already, as “Not you?” does.
  if (!Provider.ctx || !isOfStranger(model, record)) return;
  try {
    await asRateLimitError(limits.anonymousRecords.consume(networkOf(requestSourceOf(currentRequest()).ip)));
  } catch (error) {
    // A person is at the browser, whose client would not know what to make of it.
    throw Object.assign(error as Error, { allow_redirect: false });
  }
}

function isOfStranger(model: string, record: EngineRecord): boolean {
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

// A client that proves who it is sends the requests of all of its users from one address.
function isPublic(): boolean {
  return currentRequest().oidc.client?.clientAuthMethod === 'none';
}
