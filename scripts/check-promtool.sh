#!/usr/bin/env bash
# Checks alert rules, the queries of the dashboard, and what a running usher shows, with promtool.
# That all names in rules and queries are metrics of usher is checked by tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

promtool=$(scripts/promtool.sh)
work=$(mktemp -d)
pid=
stop() {
  if [[ -n $pid ]]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT

go run ./scripts/dashboard -rules "$work/dashboard.rules.yaml"
"$promtool" check rules deploy/prometheus/usher.rules.yaml "$work/dashboard.rules.yaml"
"$promtool" test rules deploy/prometheus/usher.rules.test.yaml
"$promtool" check config examples/cluster/prometheus.yml

go build -o "$work/usher" ./cmd/usher
"$work/usher" dev --listen 127.0.0.1:0 --dir "$work/dev" >"$work/log" 2>&1 &
pid=$!
address=
for _ in {1..600}; do
  address=$(sed -n 's/.*msg="metrics and probes" listen=\([0-9.:]*\).*/\1/p' "$work/log")
  if [[ -n $address ]] && grep -q 'msg="usher is running"' "$work/log"; then break; fi
  if ! kill -0 "$pid" 2>/dev/null; then
    cat "$work/log" >&2
    exit 1
  fi
  sleep 0.1
done
exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
sed '1,/^\r$/d' <&3 >"$work/metrics"
grep -q '^usher_ready 1' "$work/metrics"
"$promtool" check metrics <"$work/metrics"
