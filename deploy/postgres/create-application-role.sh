#!/bin/sh
# Makes the role that the services log in as. PostgreSQL's image runs it once, on an empty volume, as
# the owner; what the role may do is granted by the migrations, table by table.
set -e

if [ -n "${APPLICATION_PASSWORD_FILE:-}" ]; then
    APPLICATION_PASSWORD=$(cat "$APPLICATION_PASSWORD_FILE")
fi
export APPLICATION_PASSWORD="${APPLICATION_PASSWORD:?is not set: the role would have no password}"

# Read from the environment by psql itself: an argument would be in the list of processes.
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password APPLICATION_PASSWORD
CREATE ROLE caravel_app LOGIN PASSWORD :'password';
SQL
