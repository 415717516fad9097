package schema

import (
	"reflect"
	"strings"
	"sync"

	"usher/app/config/rule"
	"usher/internal/strictyaml"
)

// Key describes one key of the configuration, for documentation and help.
type Key struct {
	Path     string     // "nats.tls.ca_file"; of a key in the elements of a list, "credentials.oidc[].issuer"
	Type     string     // "string", "list of strings", "list of mappings", "integer", "number", "boolean", "duration", "map of strings"
	Default  string     // as YAML; empty for a required key
	Doc      string     // one or more sentences
	Rules    []string   // conditions on the value, as text
	Refs     []rule.Ref // the same, as the tag names them
	Required bool
}

// Table is the table of keys that the tags of a struct type describe.
type Table struct {
	entries     []entry
	rules       rule.Table
	constraints []Constraint
	page        string
}

// New reads the tags of a struct type, which must not contain itself. page is the file
// that Markdown is written to: examples and hints refer to it.
func New(of reflect.Type, rules rule.Table, constraints []Constraint, page string) *Table {
	return &Table{appendEntries(nil, entry{typ: of, depth: -1}), rules, constraints, page}
}

// Keys returns every key, in the order of the file. The keys of the elements of a list
// follow the list.
func (t *Table) Keys() []Key {
	var keys []Key
	for _, e := range withElements(t.entries) {
		if e.section {
			continue
		}
		k := Key{Path: e.path, Type: typeName(e.typ), Doc: e.doc, Rules: t.conditions(&e), Refs: e.rules, Required: e.required}
		if !e.required {
			k.Default = e.def
		}
		keys = append(keys, k)
	}
	return keys
}

// conditions returns the rules of a key as text.
func (t *Table) conditions(e *entry) []string {
	var texts []string
	for _, r := range e.rules {
		texts = append(texts, t.rules.Text(r))
	}
	return texts
}

// entry is a key in the table, or a section of keys.
type entry struct {
	path, name string
	depth      int
	section    bool
	index      []int // index of the field, for reflect.Value.FieldByIndex on the struct or on the element
	typ        reflect.Type
	elements   []entry                       // of a list of mappings: the keys of each element
	def        string                        // default as YAML on one line
	tagged     bool                          // has a default tag
	decoded    func() (reflect.Value, error) // the default, decoded once: make copies
	doc, hint  string
	live       bool // a running program takes a change
	rules      []rule.Ref
	required   bool
}

// withElements returns the entries, and after each list of mappings those of its elements.
func withElements(entries []entry) []entry {
	var all []entry
	for _, e := range entries {
		all = append(append(all, e), withElements(e.elements)...)
	}
	return all
}

func appendEntries(all []entry, parent entry) []entry {
	for i := range parent.typ.NumField() {
		f := parent.typ.Field(i)
		if f.Tag.Get("yaml") == "-" {
			continue
		}
		e := entry{
			path:     strictyaml.KeyPath(parent.path, f.Tag.Get("yaml")),
			name:     f.Tag.Get("yaml"),
			depth:    parent.depth + 1,
			section:  f.Type.Kind() == reflect.Struct,
			index:    append(append([]int{}, parent.index...), i),
			typ:      f.Type,
			doc:      f.Tag.Get("doc"),
			hint:     f.Tag.Get("hint"),
			required: f.Tag.Get("required") == "true",
			live:     parent.live || f.Tag.Get("reload") == "live",
		}
		if e.section {
			all = appendEntries(append(all, e), e)
			continue
		}
		if isMappingList(f.Type) {
			e.elements = appendEntries(nil, entry{path: elementPath(e.path), typ: f.Type.Elem(), depth: e.depth})
		}
		e.def, e.tagged = defaultOf(&f)
		e.decoded = sync.OnceValues(func() (reflect.Value, error) { return decodeText(e.typ, e.def) })
		for name := range strings.FieldsSeq(f.Tag.Get("rule")) {
			e.rules = append(e.rules, rule.ParseRef(name))
		}
		all = append(all, e)
	}
	return all
}

// isMappingList reports whether values of type t are lists of mappings.
func isMappingList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// elementPath returns the path of the elements of a list in the table.
func elementPath(list string) string { return list + "[]" }
