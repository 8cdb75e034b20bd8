// From where a session was opened and used last, as lists show it.
import { type Db, rows } from '../store/db.ts';

// A confidential client refreshes from its own machine, so its address and user agent are not those of the user. A session of an
// earlier version does not know from where it was opened.
const isConfidentialSql = `coalesce(c.metadata->>'token_endpoint_auth_method',
  case c.registered_by when 'document' then 'none' else 'client_secret_basic' end) <> 'none'`;
const ofLogin = (column: 'ip' | 'user_agent') =>
  `case when ${isConfidentialSql} then coalesce(s.login_${column}, s.${column}) else s.${column} end as ${column}`;

/** SQL for the address and the user agent that lists show, and for the last ones: of sessions `s` and their clients `c`. */
export const placesSql = `${ofLogin('ip')}, ${ofLogin('user_agent')}, s.ip as last_ip, s.user_agent as last_user_agent`;

/** The user agent with which each of these sessions was opened, as far as the audit trail has it. */
export async function listLoginUserAgents(db: Db, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const named = Object.fromEntries(ids.map((id, at) => [`id_${at}`, id]));
  const list = Object.keys(named).map((name) => `:${name}`);
  // Reads only the first event of each session, because a session may have thousands.
  const found = await rows<{ id: string; user_agent: string | null }>(
    db,
    `select s.id, (select e.user_agent from audit_events e where e.session_id = s.id order by e.id limit 1) as user_agent
     from sessions s where s.id in (${list.join(', ')})`,
    named,
  );
  return new Map(found.flatMap(({ id, user_agent }) => (user_agent === null ? [] : [[id, user_agent]])));
}

/** How many live sessions, and how many of those that ended last, are looked at. */
const latest = 50;

/** Whether one of the user's sessions was opened with this user agent: all that is known of a login that names no device. */
export async function hasLoggedInWith(db: Db, user_id: string, user_agent: string | null): Promise<boolean> {
  const columns = "id, coalesce(login_user_agent, user_agent, '') as user_agent";
  // Each half is served by an index of its own.
  const found = await rows<{ id: string }>(
    db,
    `select id from (
       select * from (select ${columns} from sessions where user_id = :user_id and ended_at is null limit :latest) as live
       union all
       select * from (select ${columns} from sessions where user_id = :user_id and ended_at is not null
         order by ended_at desc limit :latest) as ended) as latest
     where user_agent = :user_agent limit 1`,
    { user_id, user_agent: user_agent ?? '', latest },
  );
  return found.length > 0;
}
