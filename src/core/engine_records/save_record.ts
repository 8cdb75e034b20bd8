// Writes records of the engine. The record of a login at the pages is written only while the proof of that login is good.
import { digest, type Keyring } from '../../lib/crypto.ts';
import { parseId } from '../../lib/ids.ts';
import { json } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { registrationToken, secondIdOf, storedPayload } from './sealed_records.ts';

/** What a login was verified against; it is void once either has changed. */
export interface ProvedLogin {
  user_id: string;
  password_hash: string | null;
  session_epoch: number;
}

export interface NewEngineRecord {
  model: string;
  id: string;
  payload: Record<string, unknown>;
  /** Seconds; null for a record that lives until it is deleted. */
  ttl: number | null;
  /** Null keeps what is stored. */
  ip?: string | null;
  user_agent?: string | null;
  /** The handle under which the record is already stored. */
  storedAs?: string;
  /** The user's `session_epoch` at the login that this write completes; absent, the row keeps its own. */
  session_epoch?: number;
  /** The sealed text that was read: a record that was written since is not overwritten. */
  replaces?: string;
  /** The login that this write completes; when its proof is void, nothing is written. */
  proved?: ProvedLogin;
}

const columns =
  'model, id, payload, session_id, expires_at, second_id, user_id, ip, user_agent, session_epoch, created_at';

const values = (
  db: Db,
) => `:model, :id, :payload, :session_id, ${plusSeconds(db, ':now', ':ttl')}, :second_id, :user_id, :ip,
  :user_agent, :session_epoch, coalesce(:created_at, :now)`;

const changed = `payload = excluded.payload, session_id = excluded.session_id, expires_at = excluded.expires_at,
  second_id = excluded.second_id, user_id = excluded.user_id, ip = coalesce(excluded.ip, oidc_models.ip),
  user_agent = coalesce(excluded.user_agent, oidc_models.user_agent),
  session_epoch = coalesce(excluded.session_epoch, oidc_models.session_epoch)`;

const insert = statement<{ id: string }>(
  'save_record',
  (db) => `insert into oidc_models (${columns}) values (${values(db)})
    on conflict (model, id) do update set ${changed} returning id`,
);

// The lock makes the statement wait for a change of the user that is being committed, and then compare with the new row. A later
// change finds the record.
const lockProved = (db: Db) => `select id from users where id = :proved_id and password_hash = :proved_hash
  and session_epoch = :proved_epoch ${isPostgres(db) ? 'for share' : ''}`;

const insertProved = statement<{ id: string }>(
  { name: 'save_login_record', alone: true },
  (
    db,
  ) => `with u as (${lockProved(db)}) insert into oidc_models (${columns}) select ${values(db)} from u where true
    on conflict (model, id) do update set ${changed} returning id`,
);

const set = (db: Db) => `id = :id, payload = :payload, session_id = :session_id,
  expires_at = ${plusSeconds(db, ':now', ':ttl')}, second_id = :second_id, user_id = :user_id,
  ip = coalesce(:ip, ip), user_agent = coalesce(:user_agent, user_agent),
  session_epoch = coalesce(:session_epoch, session_epoch)`;

const update = statement<{ id: string }>(
  'change_record',
  (db) => `update oidc_models set ${set(db)} where model = :model and id = :stored_as returning id`,
);

const replace = statement<{ id: string }>(
  'replace_record',
  (db) =>
    `update oidc_models set ${set(db)} where model = :model and id = :id and payload->>'sealed' = :replaces returning id`,
);

const updateProved = statement<{ id: string }>(
  { name: 'change_login_record', alone: true },
  (db) => `with u as (${lockProved(db)}) update oidc_models set ${set(db)}
    where model = :model and id = :stored_as and exists (select 1 from u) returning id`,
);

/**
 * Writes a new or an existing record; false when nothing was written. With `storedAs` it only updates: a record that has been
 * deleted in the meantime is not written again. The handle (`jti`) is never stored in plain text; a caller who reads the record
 * presents it.
 */
export async function saveRecord(db: Db, keyring: Keyring, record: NewEngineRecord): Promise<boolean> {
  const { model, storedAs, proved, replaces } = record;
  const row = rowOf(keyring, record);
  if (model === registrationToken) return await replaceToken(db, row);
  const proof = proved && {
    proved_id: proved.user_id,
    proved_hash: proved.password_hash,
    proved_epoch: proved.session_epoch,
  };
  const stored_as = storedAs === undefined ? null : digest(storedAs);
  if (replaces !== undefined) {
    const { created_at: _first, ...change } = row;
    return (await replace(db, { ...change, replaces })).length > 0;
  }
  if (stored_as === null) {
    const written = await (proof ? insertProved(db, { ...row, ...proof }) : insert(db, row));
    return written.length > 0;
  }
  const { created_at: _first, ...change } = { ...row, stored_as };
  const written = await (proof ? updateProved(db, { ...change, ...proof }) : update(db, change));
  return written.length > 0;
}

function rowOf(
  keyring: Keyring,
  { model, id, payload, ttl, ip, user_agent, session_epoch }: NewEngineRecord,
) {
  return {
    model,
    id: digest(id),
    payload: json(storedPayload(keyring, model, id, payload)),
    session_id: parseId(payload.grantId),
    ttl,
    second_id: secondIdOf(keyring, model, payload),
    user_id: parseId(payload.accountId),
    ip: ip ?? null,
    user_agent: user_agent ?? null,
    session_epoch: session_epoch ?? null,
    created_at: typeof payload.loginTs === 'number' ? new Date(payload.loginTs * 1000) : null,
  };
}

// A client has one registration token, which is replaced with each change.
async function replaceToken(db: Db, row: ReturnType<typeof rowOf>): Promise<boolean> {
  await rows(
    db,
    `insert into oidc_models (${columns}) values (${values(db)})
     on conflict (model, second_id) where second_id is not null do update set id = excluded.id, ${changed}`,
    { ...row, now: present(db) },
  );
  return true;
}
