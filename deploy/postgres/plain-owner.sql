-- Takes the tables of this database away from superusers: `caravel` owns them from now on, and is no
-- superuser. One transaction, to be run by a superuser; where all is so already it changes nothing.
-- `./caravel up` runs it once on a sandbox that was made when `caravel` was its server's superuser;
-- for a server of your own see README.md. Each statement ends with an empty line, by which the
-- server knows its end where it reads them without psql.

BEGIN;

-- The role that initdb made stays a superuser for ever. It gets another name, which it cannot give to
-- itself, and has no password any more: `caravel` is a new role with the one that it had.
DO $$
DECLARE
    secret text;
    other_name text := 'postgres';
BEGIN
    SELECT rolpassword INTO secret FROM pg_authid WHERE oid = 10 AND rolname = 'caravel';
    IF FOUND THEN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = other_name) THEN
            other_name := 'caravel_superuser';
        END IF;
        CREATE ROLE caravel_renames SUPERUSER;
        SET SESSION AUTHORIZATION caravel_renames;
        EXECUTE format('ALTER ROLE caravel RENAME TO %I', other_name);
        EXECUTE format('SET SESSION AUTHORIZATION %I', other_name);
        DROP ROLE caravel_renames;
        EXECUTE format('ALTER ROLE %I PASSWORD NULL', other_name);
        EXECUTE format('CREATE ROLE caravel LOGIN PASSWORD %L', secret);
    END IF;
END $$;

ALTER ROLE caravel NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS;

DO $$
DECLARE
    change text;
BEGIN
    FOR change IN
        WITH superusers AS (SELECT oid FROM pg_roles WHERE rolsuper),
             schemas AS (
                 SELECT oid, nspname, nspowner FROM pg_namespace
                  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
             ),
             -- The objects of an extension stay with it; a table's sequence and type go with the table.
             parts AS (
                 SELECT classid, objid FROM pg_depend
                  WHERE deptype = 'e' OR (deptype IN ('a', 'i') AND (
                        classid = 'pg_type'::regclass
                        OR objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')
                  ))
             )
        SELECT format('DATABASE %I', datname) FROM pg_database
         WHERE datname = current_database() AND datdba IN (TABLE superusers)
        UNION ALL
        SELECT format('SCHEMA %I', nspname) FROM schemas
         WHERE nspowner IN (TABLE superusers)
           AND ('pg_namespace'::regclass, oid) NOT IN (TABLE parts)
        UNION ALL
        SELECT format('TABLE %s', oid::regclass) FROM pg_class
         WHERE relnamespace IN (SELECT oid FROM schemas) AND relowner IN (TABLE superusers)
           AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND ('pg_class'::regclass, oid) NOT IN (TABLE parts)
        UNION ALL
        SELECT format('ROUTINE %s', oid::regprocedure) FROM pg_proc
         WHERE pronamespace IN (SELECT oid FROM schemas) AND proowner IN (TABLE superusers)
           AND ('pg_proc'::regclass, oid) NOT IN (TABLE parts)
        UNION ALL
        SELECT format('TYPE %s', t.oid::regtype) FROM pg_type t
         WHERE typnamespace IN (SELECT oid FROM schemas) AND typowner IN (TABLE superusers)
           AND ('pg_type'::regclass, t.oid) NOT IN (TABLE parts)
           AND typtype IN ('c', 'd', 'e', 'r')
    LOOP
        EXECUTE format('ALTER %s OWNER TO caravel', change);
    END LOOP;
END $$;

COMMIT;
