// Requests that a browser has posted and that are too long for a URL: kept for a minute, sealed, and given back once.
import type { Keyring } from '../../lib/crypto.ts';
import type { Db } from '../store/db.ts';
import { findSealedRecord } from './engine_records.ts';
import { saveRecord } from './save_record.ts';
import { consumeRecord } from './single_use.ts';

const model = 'PostedRequest';

/** Seconds between the POST and the GET to which it is redirected. */
const lifetime = 60;

/** A request by its path and its parameters as a query. */
export interface PostedRequest {
  path: string;
  query: string;
}

/** Keeps a request under this handle. The caller has limited its length and how many of them an address may send. */
export async function keepPostedRequest(
  db: Db,
  keyring: Keyring,
  handle: string,
  request: PostedRequest,
): Promise<void> {
  await saveRecord(db, keyring, { model, id: handle, payload: { ...request }, ttl: lifetime });
}

/** The request of this handle, or null when it is unknown, has expired or was taken before. Of several takers one gets it. */
export async function takePostedRequest(
  db: Db,
  keyring: Keyring,
  handle: string,
): Promise<PostedRequest | null> {
  const found = await findSealedRecord(db, keyring, model, handle);
  if (!found || found.is_expired || !(await consumeRecord(db, model, handle))) return null;
  const { path, query } = found.payload as Partial<PostedRequest>;
  return typeof path === 'string' && typeof query === 'string' ? { path, query } : null;
}
