#!/usr/bin/env bash
# Prints where nats-server of a release line is (nats-server.sh 2.12), built into bin/
# the first time from the module of that line in testdata/servers: it names one release,
# and go.sum holds it to its content.
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
  mv "$build/nats-server" "$program" # whole or not at all
fi
echo "$program"
