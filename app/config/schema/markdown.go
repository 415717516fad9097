package schema

import (
	"bytes"
	"fmt"
	"strings"
)

// Markdown returns a table of keys for each section, and the constraints.
func (t *Table) Markdown() []byte {
	var b bytes.Buffer
	keys := withElements(t.entries)
	for i := range keys {
		if keys[i].section || keys[i].elements != nil {
			t.markdownSection(&b, keys[i:])
		}
	}
	b.WriteString("\n## Keys that depend on each other\n\n")
	for _, r := range t.constraints {
		fmt.Fprintf(&b, "- %s\n", r.Text)
	}
	return b.Bytes()
}

// markdownSection writes the first entry, which is a section or a list of mappings, and
// the keys directly in it or in its elements.
func (t *Table) markdownSection(b *bytes.Buffer, entries []entry) {
	section := &entries[0]
	path, doc := section.path, section.doc
	if section.elements != nil {
		doc = fmt.Sprintf("Each entry of `%s`.", path)
		if section.depth == 0 { // it is in no other table
			doc = t.description(section, "")
		}
		path = elementPath(path)
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", path, doc)
	for i := range entries[1:] {
		row := &entries[1+i]
		if row.depth <= section.depth {
			return
		}
		if row.section || row.depth > section.depth+1 {
			continue
		}
		def := "`" + row.def + "`"
		switch {
		case row.required:
			def = "required"
		case row.def == `""`:
			def = "empty"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", row.name, typeName(row.typ), def, strings.ReplaceAll(t.description(row, fmt.Sprintf("Its keys are in `%s` below.", elementPath(row.path))), "|", `\|`))
	}
}
