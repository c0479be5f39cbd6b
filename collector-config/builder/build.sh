#!/usr/bin/env bash
# Builds the collector or Prometheus 3 from Go modules, once for each state of its lock, and prints where the program is.
#
#   build.sh collector|prometheus     what is built stays in ${XDG_CACHE_HOME:-~/.cache}/otel-dbmon
#   build.sh lock                     write collector/go.mod and go.sum anew from collector/manifest.yaml
#
# Exit status 3: there is no Go toolchain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/otel-dbmon"

# needs_go WHAT: it is there, or a line says what to do instead.
needs_go() {
    if ! command -v go >/dev/null; then
        echo "No Go toolchain on this machine: install Go 1.26 or later to build $1, or $2." >&2
        exit 3
    fi
}

# place NAME FILE...: where the program goes that is built from these files by this Go.
place() {
    name=$1
    shift
    echo "$cache/$name-$(cat "$@" <(go env GOVERSION GOOS GOARCH) | sha256sum | cut -c1-16)/$name"
}

# compile PLACE FOLDER PACKAGE OPTION...: nothing is there until all of it is.
compile() {
    place=$1 folder=$2 package=$3
    shift 3
    echo "==> Building $(basename "$place"), once; it takes some minutes" >&2
    mkdir -p "$(dirname "$place")"
    (cd "$folder" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" "$@" -o "$place.new.$$" "$package")
    mv "$place.new.$$" "$place"
}

# generate FOLDER: the sources of our distribution, by the official builder.
generate() {
    builder=$(place builder ocb/go.mod ocb/go.sum)
    test -x "$builder" || compile "$builder" ocb go.opentelemetry.io/collector/cmd/builder
    sed "s#^dist:#&\n  output_path: $1#" collector/manifest.yaml >"$1/manifest.yaml"
    "$builder" --config "$1/manifest.yaml" --skip-get-modules --skip-compilation >"$1/log" 2>&1 || { cat "$1/log" >&2; exit 1; }
}

collector() {
    needs_go "the collector" "install otelcol-contrib 0.152.0, which runs the same configuration"
    program=$(place otelcol-dbmon build.sh collector/* ocb/go.mod ocb/go.sum)
    if ! test -x "$program"; then
        generate "$work"
        cp collector/go.mod collector/go.sum "$work"
        compile "$program" "$work" .
    fi
    echo "$program"
}

prometheus() {
    needs_go "Prometheus 3" "take a release of it"
    program=$(place prometheus build.sh prometheus/*)
    # Without the service discoveries of clouds, and without the pages for a browser: they are not in the module.
    test -x "$program" || compile "$program" prometheus github.com/prometheus/prometheus/cmd/prometheus -tags remove_all_sd
    echo "$program"
}

lock() {
    needs_go "the lock" "do it elsewhere"
    generate "$work"
    # -e: tests of components need modules that the proxy may not have; what the program needs, the build checks.
    (cd "$work" && cp "$OLDPWD/collector/go.sum" . && go mod tidy -e -compat=1.25)
    cp "$work/go.mod" "$work/go.sum" collector
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${1:-} in
    collector | prometheus | lock) "$1" ;;
    *) echo "usage: build.sh collector|prometheus|lock" >&2; exit 2 ;;
esac
