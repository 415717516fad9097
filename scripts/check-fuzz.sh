#!/usr/bin/env bash
# Runs every fuzz target for the given time (default 10s), two at once. A target without
# seeds, either f.Add in its body or files in testdata/fuzz, is an error: without seeds it
# finds almost nothing in a few seconds.
#
# With --unguided as the first argument the programs are built without instrumentation:
# inputs are changed at random, and coverage does not guide that. In a second it finds as
# much, and nothing has to be compiled again (nats-server would be instrumented, too).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

instrument="-fuzz ."
if [[ ${1:-} == --unguided ]]; then
  instrument=
  shift
fi
fuzztime=${1:-10s}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
corpus=$(go env GOCACHE)/fuzz # where go test stores its corpus

targets() {
  git grep --untracked -o -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' | sed -E 's|^|./|; s|func ([A-Za-z0-9_]*)\($|\1|'
}

# binary prints the path of the test binary of a folder.
binary() { echo "$bin/$(tr / _ <<<"$1").test"; }

# go test -fuzz would link the tests of a package once for each target.
build() {
  # shellcheck disable=SC2086 # no word or two
  go test -c $instrument -o "$(binary "$1")" "$1"
}

fuzz() (
  cd "$dir" || exit
  # Minimizing each new input, for up to a minute by default, would take all of the time: of
  # an input of several hundred bytes, such as a PEM file.
  "$(binary "$dir")" -test.parallel 1 -test.fuzzminimizetime 10x -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$fuzztime" \
    -test.fuzzcachedir "$corpus/usher/${dir#./}" -test.paniconexit0 </dev/null >"$printed" 2>&1
)

# Before Go 1.27 a target sometimes fails because its time is over. A real failure prints
# the failing input.
only_time() {
  grep -q '^    context deadline exceeded$' "$printed" && ! grep -qE 'Failing input|panic|^fatal error|_test\.go:' "$printed"
}

# target runs the target "FILE:NAME".
target() {
  local file=${1%%:*} name=${1##*:} dir body printed try
  dir=$(dirname "$file")
  printed=$bin/$(tr / _ <<<"$1").txt
  body=$(sed -n "/^func $name(/,/^}/p" "$file")
  if [[ $body != *.Add\(* ]] && [[ -z $(ls -A "$dir/testdata/fuzz/$name" 2>/dev/null) ]]; then
    echo "$file: $name has no seeds: call f.Add in it or put files in $dir/testdata/fuzz/$name" >&2
    return 1
  fi
  for try in 1 2 3 4 5; do
    if fuzz; then
      echo "$dir $name: $(grep -c '^fuzz: elapsed' "$printed") reports, the last: $(grep '^fuzz: elapsed' "$printed" | tail -n 1)"
      return 0
    fi
    if ! only_time; then
      break
    fi
    echo "$dir $name: try $try: the time was over, and there is no failing input (go.dev/issue/75804)"
  done
  echo "$dir $name: FAILED" >&2
  cat "$printed" >&2
  return 1
}

export bin corpus fuzztime instrument
export -f binary build fuzz only_time target
all=$(targets)
if [[ -z $all ]]; then
  echo "no fuzz target found" >&2
  exit 1
fi
cut -d: -f1 <<<"$all" | xargs -n1 dirname | sort -u | xargs -P 2 -I{} bash -c 'build {}'
xargs -P 2 -I{} bash -c 'target {}' <<<"$all"
echo "$(wc -l <<<"$all") fuzz targets"
