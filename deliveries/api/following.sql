-- name: last_key
-- The last key that was handed out for a table, whether its row is committed or not. Read before `writers`.
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(%(table)s, 'id')), 0) AS key

-- name: writers
-- The transactions that have begun to write to a table and are still open. Each took its lock before any key, and gives
-- it back after its rows can be seen.
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = %(table)s::regclass AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid IS DISTINCT FROM pg_backend_pid()

-- name: clock
-- The database's time, read before `oldest_transaction`.
SELECT clock_timestamp() AS now

-- name: oldest_transaction
-- When the oldest transaction of another session began, which may yet write rows that bear this time.
SELECT min(xact_start) AS began FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
