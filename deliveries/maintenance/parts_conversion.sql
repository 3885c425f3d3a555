-- name: obstacles
-- What hangs on the table of attempts that a change of form would lose or leave behind, in words.
WITH attempts AS (SELECT * FROM pg_class WHERE oid = to_regclass('webhooks_deliveries_attempt'))
SELECT 'it belongs to ' || pg_get_userbyid(a.relowner) || ', and this session is ' || current_user || '''s'
FROM attempts a WHERE NOT pg_has_role(a.relowner, 'USAGE')
UNION ALL
SELECT 'the view ' || r.ev_class::regclass || ' reads it' FROM attempts a
JOIN pg_depend d ON d.refobjid = a.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid
UNION ALL
SELECT 'the foreign key ' || c.conname || ' is tied to it' FROM attempts a
JOIN pg_constraint c ON c.contype = 'f' AND a.oid IN (c.conrelid, c.confrelid)
UNION ALL
SELECT 'the trigger ' || t.tgname || ' is on it' FROM attempts a
JOIN pg_trigger t ON t.tgrelid = a.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'the publication ' || p.pubname || ' names it' FROM attempts a
JOIN pg_publication_rel r ON r.prrelid = a.oid JOIN pg_publication p ON p.oid = r.prpubid
UNION ALL
SELECT 'it has row level security' FROM attempts a WHERE a.relrowsecurity
UNION ALL
SELECT 'it inherits from another table, or is inherited from' FROM attempts a
WHERE a.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE a.oid IN (i.inhrelid, i.inhparent))
UNION ALL
SELECT 'the index ' || i.indexrelid::regclass || ' is unique' FROM attempts a
JOIN pg_index i ON i.indrelid = a.oid AND (i.indisunique OR i.indisexclusion) AND NOT i.indisprimary
UNION ALL
SELECT 'the index ' || i.indexrelid::regclass || ' is invalid' FROM attempts a
JOIN pg_index i ON i.indrelid = a.oid AND NOT i.indisvalid
UNION ALL
SELECT 'its column id has no identity' FROM attempts a
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = a.oid AND attname = 'id' AND attidentity <> '')
UNION ALL
SELECT 'the database is a standby' WHERE pg_is_in_recovery()

-- name: indexes
-- Its indexes but the primary key's, each with its name and what makes it.
SELECT c.relname, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass('webhooks_deliveries_attempt') AND NOT i.indisprimary ORDER BY 1

-- name: rights
-- What gives a new table the owner and the rights that the table has.
SELECT 'ALTER TABLE webhooks_deliveries_attempt OWNER TO ' || quote_ident(pg_get_userbyid(c.relowner))
FROM pg_class c WHERE c.oid = to_regclass('webhooks_deliveries_attempt')
UNION ALL
SELECT 'GRANT ' || g.privilege_type || ' ON webhooks_deliveries_attempt TO '
    || CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS g
WHERE c.oid = to_regclass('webhooks_deliveries_attempt') AND g.grantee <> c.relowner

-- name: names
-- Its primary key's name, and its sequence's without the schema.
SELECT k.conname, s.relname
FROM pg_constraint k JOIN pg_class s ON s.oid = pg_get_serial_sequence('webhooks_deliveries_attempt', 'id')::regclass
WHERE k.conrelid = to_regclass('webhooks_deliveries_attempt') AND k.contype = 'p'

-- name: others
-- Sessions of the service's processes, which are named `host:pid thread`, but this one's.
SELECT DISTINCT split_part(application_name, ' ', 1)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ ':[0-9]+( |$)'
  AND split_part(application_name, ' ', 1) <> split_part(current_setting('application_name'), ' ', 1)
ORDER BY 1
