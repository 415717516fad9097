package schema

import (
	"fmt"
	"reflect"

	"usher/internal/strictyaml"
)

// Differences returns the paths of the keys that differ between two values of the struct type,
// in the order of the file. A list of mappings is one key.
func (t *Table) Differences(a, b any) []string {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	var keys []string
	for i := range t.entries {
		if e := &t.entries[i]; !e.section && !reflect.DeepEqual(x.FieldByIndex(e.index).Interface(), y.FieldByIndex(e.index).Interface()) {
			keys = append(keys, e.path)
		}
	}
	return keys
}

// Live reports whether a running program takes a change of a key.
func (t *Table) Live(path string) bool {
	for i := range t.entries {
		if t.entries[i].path == path {
			return t.entries[i].live
		}
	}
	return false
}

// TakeLive sets those keys of a value of the struct type that a running program takes to their
// values in another one.
func (t *Table) TakeLive(into, from any) {
	x, y := reflect.ValueOf(into).Elem(), reflect.ValueOf(from).Elem()
	for i := range t.entries {
		if e := &t.entries[i]; e.live && !e.section {
			x.FieldByIndex(e.index).Set(y.FieldByIndex(e.index))
		}
	}
}

// Texts returns the value of every key as YAML on one line, by its path.
func (t *Table) Texts(of any) (map[string]string, error) {
	v := reflect.ValueOf(of).Elem()
	texts := map[string]string{}
	for i := range t.entries {
		e := &t.entries[i]
		if e.section {
			continue
		}
		text, err := strictyaml.OneLine(v.FieldByIndex(e.index).Interface())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.path, err)
		}
		texts[e.path] = text
	}
	return texts, nil
}
