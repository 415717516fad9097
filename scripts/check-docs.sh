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

# prose prints a document without its fenced code blocks.
prose() {
  awk '/^ *```/ { fenced = !fenced; next } !fenced' "$1"
}

# anchors prints the anchor of every heading, as GitHub makes it: lower case, without
# punctuation, with a number behind each repeated one.
anchors() {
  prose "$1" | sed -nE 's/^#+ +//p' | sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g' | tr '[:upper:]' '[:lower:]' |
    sed -E 's/[^[:alnum:] _-]//g; s/ /-/g' | awk '{ n = seen[$0]++; print n ? $0 "-" n : $0 }'
}

# links prints the targets of a document's links.
links() {
  prose "$1" | sed -E 's/`[^`]*`//g' | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^(https?|mailto):' || true
}

# paragraphs prints paragraphs, list items and table cells, one to a line, without headings.
paragraphs() {
  prose "$1" | awk '
    function flush() { if (text != "") print text; text = "" }
    /^ *\|/ { flush(); n = split($0, cells, / \| /); for (i = 1; i <= n; i++) print cells[i]; next }
    /^ *$/ || /^#/ || /^<!--/ { flush(); next }
    /^ *([-*]|[0-9]+\.) / { flush() }
    { sub(/^ +/, ""); text = text == "" ? $0 : text " " $0 }
    END { flush() }'
}

documents=$(git ls-files --cached --others --exclude-standard '*.md' ':!:testdata')
for file in $documents; do
  [[ -f $file ]] || continue # removed, and not committed yet
  while read -r link; do
    [[ -n $link ]] || continue
    path=${link%%#*}
    target=$file
    if [[ -n $path ]]; then
      target=$(dirname "$file")/$path
    fi
    if [[ ! -e $target ]]; then
      complain "$file: $link leads nowhere"
    elif [[ $link == *"#"* ]] && ! grep -qxF -- "${link#*#}" <(anchors "$target"); then
      complain "$file: $link: $target has no such heading"
    fi
  done < <(links "$file")
  while read -r paragraph; do
    complain "$file: longer than $longest characters: ${paragraph:0:60}…"
  done < <(paragraphs "$file" | grep -E "^.{$((longest + 1)),}" || true)
done

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
