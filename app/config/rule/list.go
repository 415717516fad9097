package rule

import (
	"fmt"
	"reflect"
	"strings"

	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// onEach adapts the check of a string to a list of strings, none of which may be empty.
func onEach(check func(reflect.Value, string) []Fault) func(reflect.Value, string) []Fault {
	return func(v reflect.Value, arg string) []Fault {
		var faults []Fault
		for i := range v.Len() {
			found := faultIf(v.Index(i).Len() == 0, "must not be empty", "")
			if found == nil {
				found = check(v.Index(i), arg)
			}
			for _, f := range found {
				faults = append(faults, Fault{strictyaml.IndexPath("", i) + f.At, f.Message, f.Hint})
			}
		}
		return faults
	}
}

// each checks every string of a list with the rule that arg names.
func each(v reflect.Value, arg string) []Fault {
	return onEach(func(v reflect.Value, _ string) []Fault { return Rules().Check(ParseRef(arg), v) })(v, "")
}

// unique refuses a string that is in a list twice.
func unique(v reflect.Value, _ string) []Fault {
	return duplicates(v, "", func(i int) string { return v.Index(i).String() })
}

// claims checks a list of claims with their values, each of which may be there once.
func claims(v reflect.Value, _ string) []Fault {
	var faults []Fault
	for i := range v.Len() {
		name, value, ok := strings.Cut(v.Index(i).String(), "=")
		if !ok || name == "" || value == "" {
			faults = append(faults, Fault{strictyaml.IndexPath("", i), secret.Quote(v.Index(i).String()) + " is not CLAIM=VALUE", "such as hd=example.org"})
		}
	}
	return append(faults, duplicates(v, "", func(i int) string {
		name, _, _ := strings.Cut(v.Index(i).String(), "=")
		return name
	})...)
}

// uniqueNames refuses two elements of a list of mappings with the same name.
func uniqueNames(v reflect.Value, _ string) []Fault {
	index, ok := nameField(v.Type().Elem())
	if !ok {
		return []Fault{{Message: "its elements have no name"}} // a test ensures that they have
	}
	return duplicates(v, ".name", func(i int) string { return v.Index(i).Field(index).String() })
}

// nameField returns the index of the field that has the key name.
func nameField(t reflect.Type) (index int, ok bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == "name" && f.Type.Kind() == reflect.String {
			return i, true
		}
	}
	return 0, false
}

// duplicates returns a fault at key of each element of v whose text an earlier one has.
func duplicates(v reflect.Value, key string, text func(i int) string) []Fault {
	var faults []Fault
	first := map[string]int{}
	for i := range v.Len() {
		if n, dup := first[text(i)]; dup {
			faults = append(faults, Fault{strictyaml.IndexPath("", i) + key, fmt.Sprintf("%s is there twice, first in entry %d", secret.Quote(text(i)), n+1), ""})
			continue
		}
		first[text(i)] = i
	}
	return faults
}
