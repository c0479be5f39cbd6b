#!/bin/sh
# Run once by the image, when the database is made: the role that the agent watches with.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/postgres.password)" --username "${POSTGRES_USER:-postgres}" <<'SQL'
CREATE ROLE dbmon LOGIN PASSWORD :'password';
GRANT pg_monitor TO dbmon;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
SQL
