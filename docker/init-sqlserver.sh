#!/bin/bash
# Create the two databases and logins of compose.yaml and run sql/sqlserver/ in order. Can be run again.
# Environment: SQLSERVER (host name). Passwords come from /run/secrets.
set -euo pipefail

secret() { cat "${SECRETS:-/run/secrets}/$1"; }
sql() { "${SQLCMD:-/opt/mssql-tools18/bin/sqlcmd}" -C -b -I -S "$SQLSERVER" -U sa "$@"; }

# sqlcmd reads variables such as $(MONITOR_PASSWORD) from the environment, so no password is in the process list. In T-SQL a
# quote inside a string is doubled.
SQLCMDPASSWORD=$(secret sa_password)
MONITOR_PASSWORD=$(secret etl_monitor_password | sed "s/'/''/g")
RUNNER_PASSWORD=$(secret etl_runner_password | sed "s/'/''/g")
export SQLCMDPASSWORD MONITOR_PASSWORD RUNNER_PASSWORD

here=$(dirname "$0")
files=${SQL_FILES:-/sql}
sql -i "$here/databases.sql"
for file in "$files"/*.sql; do
    case $(basename "$file") in
        *_oltp_*) database=ECOMMERCE_OLTP ;;
        *_dw_*) database=DW_ECOMMERCE ;;
        *) echo "$file: no database for this name" >&2; exit 1 ;;
    esac
    echo "$database: $(basename "$file")"
    sql -d "$database" -i "$file"
done
sql -i "$here/runner.sql"
echo "The databases are ready."
