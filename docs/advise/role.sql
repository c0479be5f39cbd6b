-- A role for `otel-dbmon advise`: it may read, and nothing else. Run it on the primary, as a superuser, in the database
-- that is to be looked at; then give the role a password: \password advisor
CREATE EXTENSION IF NOT EXISTS hypopg;
CREATE ROLE advisor LOGIN CONNECTION LIMIT 4;
ALTER ROLE advisor SET default_transaction_read_only = on;
-- The texts in pg_stat_statements that others sent.
GRANT pg_read_all_stats TO advisor;
-- PostgreSQL explains a query only to those who may run it. Until PostgreSQL 13: GRANT SELECT ON ALL TABLES IN SCHEMA ..
GRANT pg_read_all_data TO advisor;
