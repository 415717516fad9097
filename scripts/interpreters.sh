#!/usr/bin/env bash
# Installs the programs that tests run besides Go, unless they are there: python3 and node
# for docs/examples/webhook, node and npm for testdata/natsjs, systemd-analyze for the units
# in deploy/systemd. It uses the package sources of a Debian system.
set -euo pipefail

missing=()
command -v python3 >/dev/null || missing+=(python3)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v systemd-analyze >/dev/null || missing+=(systemd)
((${#missing[@]})) || exit 0

command -v apt-get >/dev/null || {
  echo "${missing[*]} is missing, and this is no Debian system: install it" >&2
  exit 1
}
root=()
[[ $(id -u) -eq 0 ]] || root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq
"${root[@]}" apt-get install -qq --yes --no-install-recommends "${missing[@]}"
