#!/bin/sh
# Installs Spotlight, at the locked versions, into a cache outside of the checkout, and prints the folder it is in.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lock=$(cksum <"$here/package-lock.json" | cut -d ' ' -f 1)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/otel-dbmon/spotlight-$lock
if ! test -e "$folder/complete"; then
    if ! command -v npm >/dev/null || ! node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'; then
        echo "Spotlight needs Node 20 or newer, with npm" >&2
        exit 1
    fi
    mkdir -p "$folder"
    cp "$here/package.json" "$here/package-lock.json" "$folder"
    echo "==> Installing for the tests: Spotlight" >&2
    npm ci --prefix "$folder" --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error >&2
    touch "$folder/complete"
fi
echo "$folder"
