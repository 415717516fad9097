package schema

import (
	"reflect"
	"slices"
	"strings"

	"usher/internal/strictyaml"
)

// instance is a key of the table with its place and value in one configuration. A key of
// the elements of a list has an instance for each element.
type instance struct {
	*entry
	path  string // "credentials.oidc[0].issuer"
	value reflect.Value
}

// scope says which element of each list a path of the table means. The zero scope is that
// of keys outside of lists.
type scope []elementRef

// elementRef is one element of a list.
type elementRef struct {
	table string // "credentials.oidc[]"
	path  string // "credentials.oidc[0]"
}

// apply replaces in a text every path of the table that begins at an element.
func (s scope) apply(text string) string {
	for _, ref := range slices.Backward(s) { // the innermost list first: its path contains that of the outer one
		text = strings.ReplaceAll(text, ref.table, ref.path)
	}
	return text
}

// expand adds the instances of keys, which are in the struct of, and sets the defaults
// of what the file does not have in elements of lists.
func (c *checker) expand(keys []entry, of reflect.Value, in scope) {
	if c.byPath == nil {
		c.byPath, c.scopes = map[string]*instance{}, map[string][]scope{}
	}
	for i := range keys {
		k := &keys[i]
		if k.section {
			continue
		}
		at := instance{entry: k, path: in.apply(k.path), value: of.FieldByIndex(k.index)}
		if len(in) > 0 && !c.src.Has(at.path) {
			k.setDefault(at.value)
		}
		if k.elements != nil {
			list := elementPath(k.path)
			for n := range at.value.Len() {
				element := append(slices.Clone(in), elementRef{list, strictyaml.IndexPath(at.path, n)})
				c.scopes[list] = append(c.scopes[list], element)
				c.expand(k.elements, at.value.Index(n), element)
			}
		}
		c.instances = append(c.instances, at)
		c.byPath[at.path] = &at
	}
}

// scopesOf returns the scopes in which a constraint on keys is checked: one for each
// element of the innermost list that they are in.
func (c *checker) scopesOf(keys []string) []scope {
	inner := ""
	for _, key := range keys {
		if end := strings.LastIndex(key, "[]"); end >= len(inner) {
			inner = key[:end+len("[]")]
		}
	}
	if inner == "" {
		return []scope{nil}
	}
	return c.scopes[inner]
}
