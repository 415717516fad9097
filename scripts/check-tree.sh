#!/usr/bin/env bash
# Checks what no linter looks at: files that must be there, tests that do not
# run, names of machines, and dependencies that nobody explained.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bad=0
complain() {
  echo "$1" >&2
  bad=1
}

# refuse MESSAGE PATTERN PATHSPEC...: no file of the tree holds the pattern.
# Brackets in a pattern keep it from finding itself.
refuse() {
  local message=$1 pattern=$2
  shift 2
  if git grep --untracked -nIE "$pattern" -- "$@" >&2; then
    complain "$message"
  fi
}

for file in README.md LICENSE CHANGELOG.md CONTRIBUTING.md docs/dependencies.md cmd/usher/main.go; do
  [[ -s $file ]] || complain "$file is missing"
done

refuse "a test that does not run is not a test: no Skip" \
  '\.Skip(f|Now)?\(' '*.go'
refuse "a test that does not run is not a test: no Short" \
  'testing\.Short\(' '*.go'
refuse "a test that does not run is not a test: no skip in a script" \
  '^[[:space:]]*(\[[^]]*\][[:space:]]*)*skip([[:space:]]|$)' ':(glob)**/testdata/**/*.txt' ':(glob)**/testdata/**/*.txtar'
refuse "a registry or a path of one machine does not belong in the repository" \
  '(proxy|sum)[.]golang|registry[.]npmjs|deb[.]debian|/wor[k]/|/roo[t]/' .

direct=$(go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all)
while read -r module; do
  grep -qF "$module" docs/dependencies.md 2>/dev/null || complain "docs/dependencies.md says nothing about $module"
done < <(sed '/^$/d' <<<"$direct")

# What README.md has people type leaves keys and seeds in the working tree: none of
# that is ever committed. outputs prints what its commands write.
outputs() {
  sed -n 's/^\$ //p' README.md | sed 's/[[:space:]]#.*//' | while read -r command; do
    grep -oE -- '(--(to|out|dir)|-o|>)[ =][^ -][^ ]*' <<<"$command" | sed -E 's/^[^ =]+[ =]//' || true
    if [[ $command =~ usher\ init\ .*[[:space:]]([^[:space:]-][^[:space:]]*)[[:space:]]*$ ]]; then
      echo "${BASH_REMATCH[1]}"
    fi
  done
}
found=0
while read -r path; do
  found=$((found + 1))
  git check-ignore -q --no-index "$path" || git check-ignore -q --no-index "$path/any" ||
    complain "README.md has people make $path, and .gitignore does not name it"
done < <(outputs | sort -u)
((found >= 7)) || complain "only $found outputs of README.md's commands were found: scripts/check-tree.sh does not understand it any more"

exit "$bad"
