#!/bin/sh
# Create the secrets that the compose files read. Existing files are not changed.
#   docker/make-secrets.sh          for compose.yaml
#   docker/make-secrets.sh --prod   for compose.prod.yaml; you add the password of the SQL Server's login
set -eu
cd "$(dirname "$0")/.."

# Only you can open the folder. Its files are world-readable, because compose mounts them for the containers' users, which
# have other ids than you.
mkdir -p secrets
chmod 700 secrets
umask 022

random() { # letters and digits only, which need no quoting; Aa1! satisfies SQL Server's password policy
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c "$1"
}
make() {
    [ -s "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"
}

make secret_key "$(random 64)"
make metrics_token "$(random 32)"
make postgres_password "$(random 32)"
make database_url "postgres://portal:$(cat secrets/postgres_password)@postgres:5432/portal"
if [ "${1:-}" = --prod ]; then
    make redis_password "$(random 32)"
    make redis_url "redis://:$(cat secrets/redis_password)@redis:6379/0"
    [ -e secrets/etl_monitor_password ] || : >secrets/etl_monitor_password
    [ -s secrets/etl_monitor_password ] || echo "Now put the password of etl_monitor into secrets/etl_monitor_password."
else
    for login in sa etl_monitor etl_runner; do
        make "${login}_password" "$(random 24)Aa1!"
    done
fi
