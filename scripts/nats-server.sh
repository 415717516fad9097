#!/usr/bin/env bash
# Prints the path of nats-server of a release line (nats-server.sh 2.12). The first run
# builds it into bin/, from the module of that line in testdata/servers, which pins the
# release and its checksums.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

module=testdata/servers/$1
package=github.com/nats-io/nats-server/v2
version=$(go -C "$module" list -m -f '{{.Version}}' "$package")
program=$PWD/bin/nats-server-$version

if [[ ! -x $program ]]; then
  echo "building nats-server $version" >&2
  mkdir -p bin
  build=$(mktemp -d "$PWD/bin/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  CGO_ENABLED=0 go -C "$module" build -o "$build/nats-server" "$package" >&2
  mv "$build/nats-server" "$program" # atomic
fi
echo "$program"
