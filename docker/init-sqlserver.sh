#!/bin/bash
# Makes the trial's two databases, its two logins, and everything in sql/sqlserver/, in order. Can be run again.
# The environment: SQLSERVER (host name); passwords come from /run/secrets.
set -euo pipefail

secret() { cat "${SECRETS:-/run/secrets}/$1"; }
sql() { "${SQLCMD:-/opt/mssql-tools18/bin/sqlcmd}" -C -b -I -S "$SQLSERVER" -U sa "$@"; }

# sqlcmd reads its variables, as $(MONITOR_PASSWORD), from the environment: no password is an argument that a list
# of processes shows. In T-SQL a quote inside a string is doubled.
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
        *) echo "$file: its name says no database" >&2; exit 1 ;;
    esac
    echo "$database: $(basename "$file")"
    sql -d "$database" -i "$file"
done
sql -i "$here/runner.sql"
echo "The databases are ready."
