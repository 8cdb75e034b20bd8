// The consents of users: their rows, what each allows a third-party client, and how they are read. What gives or withdraws one
// is in actions/consents.ts.
import { declareColumns, type Table } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { statement } from '../store/statements.ts';

/** Allowed scopes: those of the server itself, and per resource server. */
export interface Granted {
  openid: string[];
  claims: string[];
  resources: Record<string, string[]>;
}

export interface Consent {
  user_id: string;
  client_id: string;
  granted: Granted;
  created_at: Date;
  updated_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    consents: Table<Consent>;
  }
}

const consentColumns = { granted: 'json', created_at: 'time', updated_at: 'time' } as const;
declareColumns('consents', consentColumns);

export interface ListedConsent extends Consent {
  metadata: { client_name?: string; client_uri?: string; logo_uri?: string; grant_types?: string[] };
}

const columns = 'user_id, client_id, granted, created_at, updated_at';

const find = statement<Consent>(
  { name: 'consent', commit: 'local' },
  () => `select ${columns} from consents where user_id = :user_id and client_id = :client_id`,
  consentColumns,
);

/** What this user has allowed this client, or null. */
export async function findConsent(db: Db, user_id: string, client_id: string): Promise<Consent | null> {
  const [consent] = await find(db, { user_id, client_id });
  return consent ?? null;
}

/** All consents of a user, newest first, with what describes the client. */
export async function listConsents(db: Db, user_id: string): Promise<ListedConsent[]> {
  return await rows<ListedConsent>(
    db,
    `select c.*, cl.metadata from consents c join clients cl on cl.client_id = c.client_id
     where c.user_id = :user_id order by c.created_at desc limit 200`,
    { user_id },
    { ...consentColumns, metadata: 'json' },
  );
}
