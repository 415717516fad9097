package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/internal/strictyaml"
)

// exampleWidth is the maximum width of a comment line.
const exampleWidth = 80

// Example returns a file with the values, which are keyed by path. Every other key is
// commented out and has its default. Each key has its documentation as a comment. A value
// is YAML on one line; a string is given as it is, and Example quotes it if needed. A list
// of mappings is written as a block, for those who edit it. A path that is not a key is an
// error, and so is a value of another type.
func (t *Table) Example(values map[string]string) ([]byte, error) { return t.render(values, true) }

// Minimal is Example without comments and without the other keys.
func (t *Table) Minimal(values map[string]string) ([]byte, error) { return t.render(values, false) }

// render returns a file with the values and, if all is set, every other key as a
// comment.
func (t *Table) render(values map[string]string, all bool) ([]byte, error) {
	var b strings.Builder
	var errs []error
	left := maps.Clone(values)
	for _, k := range t.entries {
		text, isSet := values[k.path]
		switch {
		case k.section:
			if used := usedSection(values, k.path); used || all {
				b.WriteString(t.example(&k, "", used, all))
			}
			continue
		case !isSet && all:
			b.WriteString(t.example(&k, " "+k.def, false, all))
			continue
		case !isSet:
			continue
		}
		delete(left, k.path)
		if typeName(k.typ) == "string" {
			text = quoteIfNeeded(text)
		}
		if _, err := decodeText(k.typ, text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.path, err))
		}
		value := " " + text
		if k.elements != nil {
			value = strictyaml.Block(text, strings.Repeat("  ", k.depth+1))
		}
		b.WriteString(t.example(&k, value, true, all))
	}
	for _, path := range slices.Sorted(maps.Keys(left)) {
		errs = append(errs, strictyaml.WithHint(fmt.Errorf("%s: unknown key", path), "see "+t.page))
	}
	return []byte(b.String()), errors.Join(errs...)
}

func usedSection(values map[string]string, section string) bool {
	for path := range values {
		if strings.HasPrefix(path, section+".") {
			return true
		}
	}
	return false
}

// example returns the lines of one entry: comment, key and value.
func (t *Table) example(e *entry, value string, used, comment bool) string {
	indent := strings.Repeat("  ", e.depth)
	var b strings.Builder
	if comment {
		if e.depth == 0 || e.section {
			b.WriteByte('\n')
		}
		for _, text := range wrap(strings.ReplaceAll(t.description(e, t.elementKeys(e)), "`", ""), exampleWidth-len(indent)-len("# ")) {
			b.WriteString(indent + "# " + text + "\n")
		}
	}
	b.WriteString(indent)
	if !used {
		b.WriteByte('#')
	}
	b.WriteString(e.name + ":" + value + "\n")
	return b.String()
}

// elementKeys says which keys the elements of a list of mappings have.
func (t *Table) elementKeys(e *entry) string {
	var names []string
	for i := range e.elements {
		k := &e.elements[i]
		switch {
		case k.depth > e.depth+1: // in a section of the element
		case k.required:
			names = append(names, k.name+" (required)")
		default:
			names = append(names, k.name)
		}
	}
	return "Each entry has " + strings.Join(names, ", ") + "; " + t.page + " describes them."
}

// description returns the doc of an entry and its rules as one text, and for a list of
// mappings what elements says about its elements.
func (t *Table) description(e *entry, elements string) string {
	parts := []string{e.doc}
	if e.elements != nil && elements != "" {
		parts = append(parts, elements)
	}
	if e.live {
		parts = append(parts, "A change takes effect at a reload.")
	}
	for _, text := range t.conditions(e) {
		parts = append(parts, strings.ToUpper(text[:min(1, len(text))])+text[min(1, len(text)):]+".")
	}
	return strings.Join(parts, " ")
}

// wrap breaks text between words into lines of at most width bytes. A longer word is a
// line of its own.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case current == "":
			current = word
		case len(current)+1+len(word) > width:
			lines = append(lines, current)
			current = word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}
