package config

import (
	"maps"
	"slices"
	"strings"
)

// tree is a document: the keys of a mapping, whose values are YAML on one line or trees.
// The key "[]" stands for the one element of a list.
type tree map[string]any

// set sets the value of a path of the table.
func (t tree) set(path, value string) {
	keys := strings.Split(strings.ReplaceAll(path, "[]", ".[]"), ".")
	for _, key := range keys[:len(keys)-1] {
		inner, ok := t[key].(tree)
		if !ok {
			inner = tree{}
			t[key] = inner
		}
		t = inner
	}
	t[keys[len(keys)-1]] = value
}

// flow returns the tree as a flow mapping or sequence.
func (t tree) flow() string {
	if element, ok := t["[]"].(tree); ok {
		return "[" + element.flow() + "]"
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(t)) {
		parts = append(parts, key+": "+text(t[key]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func text(value any) string {
	if inner, ok := value.(tree); ok {
		return inner.flow()
	}
	scalar, _ := value.(string)
	return scalar
}

// minimalWith returns a document with the required keys and key. If key is in an element
// of a list, the element has its required keys too.
func minimalWith(key, value string) string {
	t := tree{}
	for path, text := range map[string]string{"accounts.callout": "AUTH", "accounts.system": "SYS", "keyring.dir": "keys", "directory.file": "directory.yaml"} {
		t.set(path, text)
	}
	for _, e := range withElements(table()) {
		list := strings.LastIndex(e.path, "[]")
		if e.required && list >= 0 && strings.HasPrefix(key, e.path[:list+2]) && !strings.HasPrefix(key, e.path) {
			t.set(e.path, e.valid())
		}
	}
	t.set(key, value)
	var b strings.Builder
	for _, section := range slices.Sorted(maps.Keys(t)) {
		b.WriteString(section + ": " + text(t[section]) + "\n")
	}
	return b.String()
}

// valid returns a value that the rules of a required key accept.
func (e *entry) valid() string {
	value := "a"
	for _, r := range e.rules {
		switch r.Name {
		case "one-of":
			value, _, _ = strings.Cut(r.Arg, "|")
		case "https-url":
			value = "https://a.example"
		}
	}
	if strings.HasPrefix(typeName(e.typ), "list of strings") {
		return "[" + value + "]"
	}
	return value
}
