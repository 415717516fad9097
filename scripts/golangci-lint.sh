#!/usr/bin/env bash
# Runs golangci-lint at the pinned version with the given arguments. The first run builds
# it into bin/, which takes some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=v2.15.0 # the only place with the version

tool=$(scripts/tool.sh golangci-lint "$version" github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
exec "$tool" "$@"
