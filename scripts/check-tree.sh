#!/usr/bin/env bash
# Checks what no linter checks: required files, skipped tests, paths of one machine, and
# dependencies without a reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bad=0
complain() {
  echo "$1" >&2
  bad=1
}

# refuse MESSAGE PATTERN PATHSPEC...: complains if a file matches the pattern. Brackets in
# a pattern keep it from matching this file.
refuse() {
  local message=$1 pattern=$2
  shift 2
  if git grep --untracked -nIE "$pattern" -- "$@" >&2; then
    complain "$message"
  fi
}

for file in README.md LICENSE CHANGELOG.md CONTRIBUTING.md docs/architecture.md cmd/usher/main.go; do
  [[ -s $file ]] || complain "$file is missing"
done

refuse "tests must not be skipped: found Skip" \
  '\.Skip(f|Now)?\(' '*.go' ':!internal/needs/needs.go'
refuse "tests must not be skipped: found testing.Short" \
  'testing\.Short\(' '*.go'
refuse "tests must not be skipped: found skip in a script" \
  '^[[:space:]]*(\[[^]]*\][[:space:]]*)*skip([[:space:]]|$)' ':(glob)**/testdata/**/*.txt' ':(glob)**/testdata/**/*.txtar'
refuse "found the marks of a merge that was not finished" '^(<{7}|>{7}) ' .
refuse "found a registry host or a path of one machine" \
  '(proxy|sum)[.]golang|registry[.]npmjs|deb[.]debian|/wor[k]/|/roo[t]/' .

direct=$(go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all)
while read -r module; do
  grep -qF "$module" docs/dependencies.md 2>/dev/null || complain "docs/dependencies.md gives no reason for $module"
done < <(sed '/^$/d' <<<"$direct")

# The commands in README.md write keys and seeds into the working tree, which must never
# be committed. outputs prints the paths that the commands write to.
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
    complain "a command in README.md writes $path, and .gitignore does not list it"
done < <(outputs | sort -u)
((found >= 7)) || complain "found only $found outputs of the commands in README.md: scripts/check-tree.sh no longer understands them"

scripts/check-docs.sh || bad=1

# The layout: each package has a layer in .golangci.yml and a place in
# docs/architecture.md, stays readable in size, and the top folder stays small.
packages=0
sizes=$(git ls-files --cached --others --exclude-standard -- '*.go' | grep -v '_test\.go$' | while read -r file; do [[ ! -f $file ]] || echo "$file"; done |
  xargs awk '{ folder = FILENAME; sub(/\/[^\/]*$/, "", folder); lines[folder]++ } END { for (folder in lines) print folder, lines[folder] }')
while read -r dir; do
  packages=$((packages + 1))
  grep -qF "\${base-path}/$dir/*.go" .golangci.yml || complain "no layer of .golangci.yml names the folder $dir"
  grep -qE "(^|[^a-z/])$dir(/|[^a-z/]|$)" docs/architecture.md || complain "docs/architecture.md does not say what $dir is for"
done < <(go list -f '{{.Dir}}' ./... | sed "s|^$PWD/||")
while read -r dir lines; do
  complain "$dir has $lines lines without tests: 2,500 are the most"
done < <(awk '$2 > 2500' <<<"$sizes")
((packages >= 50)) || complain "only $packages packages were found: scripts/check-tree.sh does not understand go list any more"
top=$(git ls-files --cached --others --exclude-standard | grep / | cut -d/ -f1 | grep -v '^\.' | sort -u | wc -l)
((top <= 15)) || complain "$top folders stand at the top: 15 are the most"

exit "$bad"
