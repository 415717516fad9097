#!/usr/bin/env bash
# Runs every fuzz target for the time given (default 10s). A target without
# seeds, neither f.Add in its body nor files in testdata/fuzz, is an error: what
# it finds by itself in seconds is next to nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fuzztime=${1:-10s}
count=0

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

  echo "fuzz $dir $name for $fuzztime"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" "$dir" </dev/null
done < <(git grep --untracked -o -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' | sed 's|^|./|')

if [[ $count -eq 0 ]]; then
  echo "no fuzz target found" >&2
  exit 1
fi
echo "$count fuzz targets"
