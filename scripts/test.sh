#!/usr/bin/env bash
# Runs a "go test -json" command and prints a summary: a line for each package, the
# figures that tests log ("figures: …"), and at the end the output of failed tests.
#
# With --again as the first argument, tests that failed (at most three) run once more, each
# alone, and fail only if they fail again or if the race detector has found something. What
# failed once is printed: it is a fault, of the test at least.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

again=false
if [[ $1 == --again ]]; then
  again=true
  shift
fi
version=v1.13.0 # of gotestsum, the only place with the version

tool=$(scripts/tool.sh gotestsum "$version" gotest.tools/gotestsum)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rc=0
"$tool" --format pkgname --hide-summary skipped --jsonfile "$log" --raw-command -- "$@" || rc=$?

# The failed tests as "TEST SECONDS PACKAGE".
failed() { sed -nE 's/.*"Action":"fail","Package":"([^"]*)","Test":"([^"]*)","Elapsed":([0-9.]*).*/\2 \3 \1/p' "$log"; }

# The packages that failed otherwise: without a failed test, as in a panic or at the time limit.
otherwise() {
  comm -23 <(sed -nE 's/.*"Action":"fail","Package":"([^"]*)","Elapsed".*/\1/p' "$log" | sort -u) <(failed | cut -d' ' -f3 | sort -u)
}

if [[ $rc -ne 0 ]] && $again && ! grep -q 'WARNING: DATA RACE' "$log" && [[ -z $(otherwise) ]]; then
  names=$(failed | awk '{ sub("/.*", "", $1); print $1, $3 }' | sort -u)
  if [[ -n $names && $(wc -l <<<"$names") -le 3 ]]; then
    rc=0
    how=() args=() command=" $* "
    [[ $command != *" -race "* ]] || how=(-race)
    [[ $command != *" -args "* ]] || read -ra args <<<"-args ${command##* -args }"
    while read -r name package; do
      if go test "${how[@]}" -count=1 -run "^$name\$" "$package" "${args[@]}" </dev/null; then
        echo "FAILED ONCE, and not alone: $name in $package"
      else
        rc=1
      fi
    done <<<"$names"
  fi
fi

if [[ $rc -eq 0 ]]; then
  sed -nE 's/.*"Output":" *([a-z_0-9]+_test\.go:[0-9]+: )?figures: (.*)\\n".*/  \2/p' "$log" | sed 's/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g'  # JSON escapes
else
  failed | sed -E 's/^([^ ]*) ([^ ]*) (.*)/--- FAIL: \1 (\2s) in \3/'
fi
exit "$rc"
