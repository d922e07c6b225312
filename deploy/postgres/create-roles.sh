#!/bin/sh
# Makes the owner of the tables, who runs the migrations, and the role that the services log in as.
# PostgreSQL's image runs it once, on an empty volume, as POSTGRES_USER, its superuser; neither of the
# two is one. The migrations grant what the services' role may do, table by table.
set -e

if [ -n "${OWNER_PASSWORD_FILE:-}" ]; then
    OWNER_PASSWORD=$(cat "$OWNER_PASSWORD_FILE")
fi
if [ -n "${APPLICATION_PASSWORD_FILE:-}" ]; then
    APPLICATION_PASSWORD=$(cat "$APPLICATION_PASSWORD_FILE")
fi
export OWNER_PASSWORD="${OWNER_PASSWORD:?is not set: the owner would have no password}"
export APPLICATION_PASSWORD="${APPLICATION_PASSWORD:?is not set: the role would have no password}"

# Read from the environment by psql itself: an argument would be in the list of processes.
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv application_password APPLICATION_PASSWORD
CREATE ROLE caravel LOGIN PASSWORD :'owner_password';
CREATE ROLE caravel_app LOGIN PASSWORD :'application_password';
ALTER DATABASE :"DBNAME" OWNER TO caravel;
SQL
