package config

import (
	"maps"
	"slices"
	"strings"

	"usher/app/config/schema"
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
	for _, k := range Keys() {
		list := strings.LastIndex(k.Path, "[]")
		if k.Required && list >= 0 && strings.HasPrefix(key, k.Path[:list+2]) && !strings.HasPrefix(key, k.Path) {
			t.set(k.Path, valid(&k))
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
func valid(k *schema.Key) string {
	value := "a"
	for _, r := range k.Refs {
		switch r.Name {
		case "one-of":
			value, _, _ = strings.Cut(r.Arg, "|")
		case "https-url":
			value = "https://a.example"
		}
	}
	if k.Type == "list of strings" {
		return "[" + value + "]"
	}
	return value
}
