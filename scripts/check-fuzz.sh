#!/usr/bin/env bash
# Runs every fuzz target for the given time (default 10s). A target without seeds, either
# f.Add in its body or files in testdata/fuzz, is an error: without seeds it finds almost
# nothing in a few seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fuzztime=${1:-10s}
count=0
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
corpus=$(go env GOCACHE)/fuzz # where go test stores its corpus

targets() {
  git grep --untracked -o -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' | sed 's|^|./|'
}

# binary prints the path of the test binary of a folder.
binary() { echo "$bin/$(tr / _ <<<"$1").test"; }

# go test -fuzz would link the tests of a package once for each target. Linking uses one
# processor, so two packages are built at a time.
export -f binary
export bin
targets | cut -d: -f1 | xargs -n1 dirname | sort -u |
  xargs -P 2 -I{} bash -c 'go test -c -fuzz . -o "$(binary {})" {}'

fuzz() (
  cd "$dir" || exit
  # Minimizing each new input, for up to a minute by default, would take all of the time: of
  # an input of several hundred bytes, such as a PEM file.
  "$(binary "$dir")" -test.fuzzminimizetime 10x -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$fuzztime" \
    -test.fuzzcachedir "$corpus/$package" -test.paniconexit0 </dev/null 2>&1 | tee "$bin/printed"
)

# Before Go 1.27 a target sometimes fails because its time is over. A real failure prints
# the failing input.
only_time() {
  grep -q '^    context deadline exceeded$' "$bin/printed" && ! grep -qE 'Failing input|panic|^fatal error|_test\.go:' "$bin/printed"
}

while IFS=: read -r file func; do
  count=$((count + 1))
  dir=$(dirname "$file")
  name=${func#func }
  name=${name%%(*}

  body=$(sed -n "/^func $name(/,/^}/p" "$file")
  if [[ $body != *.Add\(* ]] && [[ -z $(ls -A "$dir/testdata/fuzz/$name" 2>/dev/null) ]]; then
    echo "$file: $name has no seeds: call f.Add in it or put files in $dir/testdata/fuzz/$name" >&2
    exit 1
  fi

  package=$(go list "$dir")
  echo "fuzz $dir $name for $fuzztime"
  for try in 1 2 3 4 5; do
    fuzz && break
    if [[ $try -eq 5 ]] || ! only_time; then
      exit 1
    fi
    echo "retrying: the time was over, and there is no failing input (go.dev/issue/75804)"
  done
done < <(targets)

if [[ $count -eq 0 ]]; then
  echo "no fuzz target found" >&2
  exit 1
fi
echo "$count fuzz targets"
