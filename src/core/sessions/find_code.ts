// Finds a code together with its session, for its exchange.
import { digest } from '../../lib/crypto.ts';
import { type EngineRecord, isExpiredRecordSql } from '../engine_records/engine_records.ts';
import type { Columns } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { type SessionWithUser, sessionWithUserColumns, sessionWithUserSql } from './find_session.ts';

/** A code as it is stored, and its session. */
export interface FoundCode {
  /** The version of the client cache at this moment. */
  version: number;
  record: EngineRecord | null;
  session: SessionWithUser | null;
}

type CodeRow = {
  version: number;
  code_payload: Record<string, unknown> | null;
  code_consumed_at: Date | null;
  code_is_expired: boolean | null;
} & Nullable<SessionWithUser>;

type Nullable<Row> = { [Name in keyof Row]: Row[Name] | null };

const codeColumns = {
  ...sessionWithUserColumns,
  code_payload: 'json',
  code_consumed_at: 'time',
  code_is_expired: 'boolean',
} as const satisfies Columns<CodeRow>;

const find = statement<CodeRow>(
  { name: 'code_with_session', commit: 'local' },
  (
    db,
  ) => `select registry.version, oidc_models.payload as code_payload, oidc_models.consumed_at as code_consumed_at,
      ${isExpiredRecordSql} as code_is_expired, ${sessionWithUserSql(db)}
    from registry left join oidc_models on oidc_models.model = 'AuthorizationCode' and oidc_models.id = :handle
      left join sessions s on s.id = oidc_models.session_id left join users u on u.id = s.user_id`,
  codeColumns,
);

/** What an exchange of this authorization code begins with. One SELECT. */
export async function findCode(db: Db, code: string): Promise<FoundCode> {
  const [row] = await find(db, { handle: digest(code) });
  if (!row) throw new Error('the table registry has one row');
  const { version, code_payload, code_consumed_at, code_is_expired, ...session } = row;
  const record = code_payload && {
    payload: { ...code_payload, jti: code },
    consumed_at: code_consumed_at,
    is_expired: code_is_expired === true,
    version,
  };
  return { version, record, session: isFound(session) ? session : null };
}

function isFound(session: Nullable<SessionWithUser>): session is SessionWithUser {
  return session.id !== null;
}
