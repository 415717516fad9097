#!/usr/bin/env bash
# Runs every fuzz target for the time given (default 10s). A target without
# seeds, neither f.Add in its body nor files in testdata/fuzz, is an error: what
# it finds by itself in seconds is next to nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fuzztime=${1:-10s}
count=0
built= # the directory whose tests are built
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
corpus=$(go env GOCACHE)/fuzz # where go test keeps what it has found

fuzz() (
  cd "$dir" || exit
  "$bin/fuzz.test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$fuzztime" \
    -test.fuzzcachedir "$corpus/$package" -test.paniconexit0 </dev/null 2>&1 | tee "$bin/printed"
)

# Go before 1.27 now and then reports as a failure that the time is over. What a
# target finds is printed with the input that it failed on.
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

  # go test -fuzz would link the tests of a package again for each of its targets.
  if [[ $dir != "$built" ]]; then
    go test -c -fuzz . -o "$bin/fuzz.test" "$dir"
    package=$(go list "$dir")
    built=$dir
  fi
  echo "fuzz $dir $name for $fuzztime"
  for try in 1 2 3; do
    fuzz && break
    if [[ $try -eq 3 ]] || ! only_time; then
      exit 1
    fi
    echo "again: that was the end of the time, and no failing input (go.dev/issue/75804)"
  done
done < <(git grep --untracked -o -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' | sed 's|^|./|')

if [[ $count -eq 0 ]]; then
  echo "no fuzz target found" >&2
  exit 1
fi
echo "$count fuzz targets"
