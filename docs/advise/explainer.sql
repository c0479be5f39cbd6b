-- For a role that must not even read: it may have queries explained by the rights of another role, and run none.
-- Run it on the primary, as a superuser, in the database that is to be looked at.
CREATE EXTENSION IF NOT EXISTS hypopg;
CREATE ROLE advisor_blind LOGIN CONNECTION LIMIT 4;
ALTER ROLE advisor_blind SET default_transaction_read_only = on;
GRANT pg_read_all_stats TO advisor_blind;
-- Names are looked up as the caller, so it needs the schemas; not the tables in them.
GRANT USAGE ON SCHEMA public TO advisor_blind;

-- The owner is no superuser and nobody can log in as it: whatever goes wrong in the function, it may read, no more.
CREATE ROLE advisor_explainer NOLOGIN;
GRANT pg_read_all_data TO advisor_explainer;
CREATE SCHEMA advisor;
GRANT USAGE ON SCHEMA advisor TO advisor_blind;

-- It takes no SQL, so none can be smuggled in: the caller has prepared the statement, by its own rights, under a name
-- that is fixed. The function cannot have a search path of its own, since PostgreSQL would look the statement's tables
-- up there; so every function and operator in it is written with its schema, and nobody can put another in its place.
CREATE FUNCTION advisor.explain(parameters integer) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    arguments text := '';
    plan json;
BEGIN
    IF parameters OPERATOR(pg_catalog.>) 0 THEN
        arguments := pg_catalog.concat(
            '(NULL', pg_catalog.repeat(', NULL', parameters OPERATOR(pg_catalog.-) 1), ')'
        );
    END IF;
    EXECUTE pg_catalog.concat('EXPLAIN (FORMAT JSON) EXECUTE otel_dbmon_advise', arguments) INTO plan;
    RETURN plan;
END
$$;
ALTER FUNCTION advisor.explain(integer) OWNER TO advisor_explainer;
-- A new function may be called by everybody.
REVOKE ALL ON FUNCTION advisor.explain(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION advisor.explain(integer) TO advisor_blind;
