// Every table whose columns are declared beside its SQL. Whoever opens a database imports this file, so that rows come
// with their types from any query.
import './audit/audit_events.ts';
import './engine_records/engine_records.ts';
import './keys/signing_keys.ts';
import './users/consents.ts';
import './users/devices.ts';
import './users/known_devices.ts';
import './users/users.ts';
