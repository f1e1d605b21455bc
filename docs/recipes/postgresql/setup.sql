-- Once, on the node that is to be the first primary, as postgres:
--   psql -v password="$(cut -d: -f5 /etc/postgresql/pair/pgpass | head -n1)" -f setup.sql
\set ON_ERROR_STOP on
-- There is no standby yet to wait for.
SET synchronous_commit = local;

CREATE ROLE pair LOGIN REPLICATION PASSWORD :'password';
-- What pg_rewind and a checkpoint before it need.
GRANT pg_checkpoint TO pair;
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) TO pair;
GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean) TO pair;
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO pair;
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO pair;

CREATE SCHEMA pair;
GRANT USAGE ON SCHEMA pair TO pair;
-- Whether the primary acknowledges without a standby. A standby has it by replication:
-- one that reads "true" lacks what it would have to have.
CREATE TABLE pair.alone (alone boolean NOT NULL);
CREATE UNIQUE INDEX one_row ON pair.alone ((true));
INSERT INTO pair.alone VALUES (false);

-- "primary 3 paired streaming", "primary 4 alone absent", "standby 3 paired streaming" …:
-- what this node is, on which timeline, whether writes are acknowledged alone, and
-- whether the other end of the replication is there.
CREATE FUNCTION pair.state() RETURNS text LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT concat_ws(' ',
        CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END,
        CASE WHEN pg_is_in_recovery()
            THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
        (SELECT CASE WHEN alone THEN 'alone' ELSE 'paired' END FROM pair.alone),
        CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')
            OR EXISTS (SELECT FROM pg_stat_replication
                WHERE state = 'streaming' AND application_name IN ('a', 'b'))
            THEN 'streaming' ELSE 'absent' END)
$$;
REVOKE ALL ON FUNCTION pair.state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pair.state() TO pair;
