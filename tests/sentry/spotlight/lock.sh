#!/bin/sh
# Locks Spotlight and what it needs again: versions and hashes, no address of a registry, a sponsor or anything else.
set -eu

cd "$(dirname "$0")"
rm -f package-lock.json
npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error
node -e '
const fs = require("fs");
const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8"));
for (const entry of Object.values(lock.packages)) delete entry.funding;
fs.writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");
'
! grep -n "://" package-lock.json
