#!/usr/bin/env bash
# Runs golangci-lint at the pinned version, with the arguments given.
# Builds it into bin/ the first time, which takes some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=v2.15.0 # the one place where it stands

tool=$(scripts/tool.sh golangci-lint "$version" github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
exec "$tool" "$@"
