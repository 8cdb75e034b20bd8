#!/bin/sh
# Runs once, when the Postgres container creates its data folder: creates the role that owns Kindred's tables and is not
# a superuser.
set -eu
: "${KINDRED_DATABASE_PASSWORD:?}"
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" << 'SQL'
\getenv password KINDRED_DATABASE_PASSWORD
create role kindred login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'password';
select format('revoke all on database %I from public', current_database()),
       format('grant connect on database %I to kindred', current_database()) \gexec
alter schema public owner to kindred;
revoke all on schema public from public;
SQL
