// All tables whose columns are declared beside their SQL. A module that opens a database imports this file, so that the rows
// of every query have their types.
import './audit/audit_events.ts';
import './access_tokens/revoked_tokens.ts';
import './clients/client_cache.ts';
import './clients/clients.ts';
import './clients/resource_servers.ts';
import './engine_records/engine_records.ts';
import './keys/signing_keys.ts';
import './one_time_codes/one_time_codes.ts';
import './outbox/outbox.ts';
import './users/consents.ts';
import './statistics/statistics.ts';
import './sessions/backchannel_queue.ts';
import './sessions/hourly_rotations.ts';
import './sessions/pending_endings.ts';
import './sessions/session_rotations.ts';
import './sessions/sessions.ts';
import './users/devices.ts';
import './users/known_devices.ts';
import './users/users.ts';
