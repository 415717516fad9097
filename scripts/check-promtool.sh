#!/usr/bin/env bash
# Checks alert rules and the queries of the dashboard with promtool. The names of metrics are checked
# by tests of cmd/usher and scripts/dashboard.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

promtool=$(scripts/promtool.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go run ./scripts/dashboard -rules "$work/dashboard.rules.yaml"
"$promtool" check rules deploy/prometheus/usher.rules.yaml "$work/dashboard.rules.yaml"
"$promtool" test rules deploy/prometheus/usher.rules.test.yaml
"$promtool" check config examples/cluster/prometheus.yml
