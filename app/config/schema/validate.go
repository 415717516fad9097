package schema

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Validate returns what is wrong with the table itself: with tags and constraints. Where it
// finds nothing, everything else in this package works for every file. The owner of the
// struct calls it in a test.
func (t *Table) Validate() error {
	var errs []error
	for _, e := range withElements(t.entries) {
		if e.name == "" || !strings.HasSuffix(e.doc, ".") {
			errs = append(errs, fmt.Errorf("%q has no name, or its doc is not a sentence", e.path))
		}
		if !e.section {
			errs = append(errs, t.validateKey(&e)...)
		}
	}
	keys := t.Keys()
	for _, c := range t.constraints {
		for _, path := range c.Keys {
			if !slices.ContainsFunc(keys, func(k Key) bool { return k.Path == path }) || !strings.Contains(c.Text, "`"+path+"`") {
				errs = append(errs, fmt.Errorf("%s: unknown key, or the text does not name it: %s", path, c.Text))
			}
		}
	}
	return errors.Join(errs...)
}

func (t *Table) validateKey(e *entry) (errs []error) {
	complain := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(e.path+": "+format, args...))
	}
	if !slices.Contains(typeNames(), typeName(e.typ)) {
		complain("type %s", e.typ)
	}
	def := reflect.New(e.typ).Elem()
	e.setDefault(def)
	decoded, err := decodeText(e.typ, e.def)
	if e.def != noDefault && (err != nil || !reflect.DeepEqual(decoded.Interface(), def.Interface())) {
		complain("default %q is decoded as %v: %v", e.def, decoded, err)
	}
	for _, r := range e.rules {
		if t.rules.Text(r) == "" {
			complain("rule %s has no text", r.Name)
		}
		if err == nil && !e.required && len(t.rules.Check(r, decoded)) > 0 {
			complain("rule %s refuses the default", r.Name)
		}
	}
	return errs
}

// typeNames are the types that keys may have.
func typeNames() []string {
	return []string{
		"string", "list of strings", "list of mappings", "map of strings", "map of lists of strings",
		"scalar", "list of scalars", "integer", "number", "boolean", "duration",
	}
}
