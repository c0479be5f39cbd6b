#!/bin/sh
# Installs the servers that the tests start for themselves, where that can be done without a question.
set -eu

missing=""
ls /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb >/dev/null 2>&1 ||
    command -v initdb >/dev/null || missing="postgresql"
command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd || missing="$missing mariadb-server"
test -n "$missing" || exit 0

if command -v apt-get >/dev/null && test "$(id -u)" = 0; then
    echo "==> Installing for the tests: $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 - a list of packages
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "For all tests, install$( [ "$missing" = " mariadb-server" ] || echo " PostgreSQL" ) with your package manager" \
        "(Debian: apt-get install $missing); without, those tests are skipped." >&2
fi
