#!/usr/bin/env bash
# Prints the path of promtool, which checks metrics and alert rules. The first run takes it from
# Debian's package prometheus into bin/, and installs nothing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=$root/bin/promtool

if [[ ! -x $tool ]]; then
  command -v apt-get >/dev/null || {
    echo "this is no Debian system: put promtool of Prometheus 2.42 or newer into bin/" >&2
    exit 1
  }
  echo "fetching promtool" >&2
  mkdir -p "$root/bin"
  work=$(mktemp -d "$root/bin/promtool.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  if ! apt-get download -qq prometheus >&2; then
    update=(apt-get update -qq)
    [[ $(id -u) -eq 0 ]] || update=(sudo "${update[@]}")
    "${update[@]}" >&2
    apt-get download -qq prometheus >&2
  fi
  dpkg -x prometheus_*.deb files
  mv files/usr/bin/promtool "$tool" # atomic
fi
echo "$tool"
