#!/usr/bin/env bash
# Checks the documents: links and anchors resolve, pages that the code names exist,
# every page is in the index, and no paragraph is long.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

longest=600 # characters of a paragraph, list item or table cell: about six lines
bad=0
complain() {
  echo "$1" >&2
  bad=1
}

# The functions below print lines of all documents, each behind its file and a tab.

# prose prints the documents without their fenced code blocks.
prose() {
  awk 'FNR == 1 { fenced = 0 } /^ *```/ { fenced = !fenced; next } !fenced { print FILENAME "\t" $0 }' "${documents[@]}"
}

# anchors prints the anchor of every heading, as GitHub makes it: lower case, without
# punctuation, with a number behind each repeated one.
anchors() {
  local headings
  headings=$(prose | sed -nE $'s/^([^\t]*\t)#+ +/\\1/p')
  paste <(cut -f 1 <<<"$headings") <(cut -f 2- <<<"$headings" | sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g' | tr '[:upper:]' '[:lower:]' |
    sed -E 's/[^[:alnum:] _-]//g; s/ /-/g') | awk '{ n = seen[$0]++; print n ? $0 "-" n : $0 }'
}

# links prints the targets of links to documents.
links() {
  prose | sed -E 's/`[^`]*`//g' | awk -F '\t' '{
    while (match($0, /\]\([^)]+\)/)) {
      link = substr($0, RSTART + 2, RLENGTH - 3)
      if (link !~ /^(https?|mailto):/) print $1 "\t" link
      $0 = $1 "\t" substr($0, RSTART + RLENGTH)
    }
  }'
}

# paragraphs prints paragraphs, list items and table cells, one to a line, without headings.
paragraphs() {
  prose | awk -F '\t' '
    function flush() { if (text != "") print file "\t" text; text = "" }
    $1 != file { flush(); file = $1 }
    { sub(/^[^\t]*\t/, "") }
    /^ *\|/ { flush(); n = split($0, cells, / \| /); for (i = 1; i <= n; i++) print file "\t" cells[i]; next }
    /^ *$/ || /^#/ || /^<!--/ { flush(); next }
    /^ *([-*]|[0-9]+\.) / { flush() }
    { sub(/^ +/, ""); text = text == "" ? $0 : text " " $0 }
    END { flush() }'
}

documents=()
while read -r file; do
  [[ ! -f $file ]] || documents+=("$file") # else it is removed, and not committed yet
done < <(git ls-files --cached --others --exclude-standard '*.md' ':!:testdata')

known=$(anchors)
while IFS=$'\t' read -r file link; do
  path=${link%%#*}
  target=$file
  if [[ -n $path ]]; then
    target=$path
    [[ $file != */* ]] || target=${file%/*}/$path
  fi
  while [[ $target =~ ^(([^/]+/)*)[^/.][^/]*/\.\./(.*)$ ]]; do # fold "name/../"
    target=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
  done
  if [[ ! -e $target ]]; then
    complain "$file: $link leads nowhere"
  elif [[ $link == *"#"* && $'\n'$known$'\n' != *$'\n'"$target"$'\t'"${link#*#}"$'\n'* ]]; then
    complain "$file: $link: $target has no such heading"
  fi
done < <(links)
while IFS=$'\t' read -r file paragraph; do
  complain "$file: longer than $longest characters: ${paragraph:0:60}…"
done < <(paragraphs | grep -E "^[^"$'\t'"]*"$'\t'".{$((longest + 1)),}" || true)

while read -r page; do
  [[ -e $page ]] || complain "the code names $page, which does not exist"
done < <(git grep --untracked -hoE 'docs/[A-Za-z0-9_/-]+\.md' -- '*.go' '*.sh' '*.yml' '*.conf' Makefile .ci ':(glob)**/testdata/**' | sort -u)

for page in docs/*.md docs/*/*.md; do
  case $page in
  docs/README.md | docs/adr/*) continue ;;
  esac
  grep -qF "](${page#docs/})" docs/README.md || complain "docs/README.md does not link to $page"
done

exit "$bad"
