#!/bin/sh
# Installs the servers and tools that the tests start for themselves, where that can be done without a question.
set -eu

missing=""
# need PACKAGE FILE...: Debian's package is missing unless one of these files is there or its program is on PATH.
need() {
    package=$1
    shift
    for file in "$@"; do
        if test -x "$file" || command -v "${file##*/}" >/dev/null; then return; fi
    done
    missing="$missing $package"
}
need postgresql /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb
need mariadb-server /usr/sbin/mariadbd
need prometheus /usr/bin/promtool
need prometheus-alertmanager /usr/bin/amtool
need victoria-metrics /usr/bin/victoria-metrics
need nodejs /usr/bin/node
need npm /usr/bin/npm
need tmux /usr/bin/tmux
need systemd /usr/bin/systemd-analyze
need chromium /usr/bin/chromium /usr/bin/google-chrome
# HypoPG comes in a package for each version of PostgreSQL.
hypopg() {
    for server in /usr/lib/postgresql/*; do
        version=${server##*/}
        if test -x "$server/bin/initdb" && ! test -e "/usr/share/postgresql/$version/extension/hypopg.control"; then
            printf ' postgresql-%s-hypopg' "$version"
        fi
    done
}
missing="$missing$(hypopg)"
test -n "$missing" || exit 0

if ! command -v apt-get >/dev/null || test "$(id -u)" != 0; then
    echo "For all tests, install with your package manager what Debian calls:$missing." \
        "Without, the tests that need them are skipped." >&2
    exit 0
fi

# Packages of servers start them, now and at every boot; the tests want the programs only.
policy=/usr/sbin/policy-rc.d
if ! test -e "$policy"; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi

echo "==> Installing for the tests:$missing"
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
apt-get update -qq
install() { apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >/dev/null; }
# shellcheck disable=SC2086 - a list of packages
install $missing
# Which version of PostgreSQL came is known only now.
late=$(hypopg)
# shellcheck disable=SC2086 - a list of packages
test -z "$late" || install $late
for package in $missing; do
    update-rc.d "${package%-server}" disable >/dev/null 2>&1 || true
done
