package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"usher/app/config/rule"
	"usher/internal/strictyaml"
)

// Key describes one key of the configuration, for documentation and help.
type Key struct {
	Path     string   // "nats.tls.ca_file"; of a key in the elements of a list, "credentials.oidc[].issuer"
	Type     string   // "string", "list of strings", "list of mappings", "integer", "number", "boolean", "duration", "map of strings"
	Default  string   // as YAML; empty for a required key
	Doc      string   // one or more sentences
	Rules    []string // conditions on the value, as text
	Required bool
}

// Keys returns every key, in the order of the file. The keys of the elements of a list
// follow the list.
func Keys() []Key {
	var keys []Key
	for _, e := range withElements(table()) {
		if e.section {
			continue
		}
		k := Key{Path: e.path, Type: typeName(e.typ), Doc: e.doc, Required: e.required}
		if !e.required {
			k.Default = e.def
		}
		for _, r := range e.rules {
			k.Rules = append(k.Rules, rules().Text(r))
		}
		keys = append(keys, k)
	}
	return keys
}

// entry is a key in the table, or a section of keys.
type entry struct {
	path, name string
	depth      int
	section    bool
	index      []int // index of the field, for reflect.Value.FieldByIndex on Config or on the element
	typ        reflect.Type
	elements   []entry // of a list of mappings: the keys of each element
	def        string  // default as YAML on one line
	tagged     bool    // has a default tag
	doc, hint  string
	rules      []rule.Ref
	required   bool
}

func (e *entry) hasRule(name string) bool {
	for _, r := range e.rules {
		if r.Name == name {
			return true
		}
	}
	return false
}

// table reads the tags of Config.
func table() []entry { return tableOf(reflect.TypeFor[Config]()) }

// tableOf reads the tags of a struct type. No type may contain itself.
func tableOf(t reflect.Type) []entry { return appendEntries(nil, entry{typ: t, depth: -1}) }

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
		}
		if e.section {
			all = appendEntries(append(all, e), e)
			continue
		}
		if isMappingList(f.Type) {
			e.elements = appendEntries(nil, entry{path: elementPath(e.path), typ: f.Type.Elem(), depth: e.depth})
		}
		e.def, e.tagged = defaultOf(&f)
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

// noDefault is shown for a key that is not set unless the file has it.
const noDefault = "none"

// defaultOf returns the default of a field as YAML, and whether the field has a
// default tag. Without the tag the default is the zero value.
func defaultOf(f *reflect.StructField) (yaml string, tagged bool) {
	text, tagged := f.Tag.Lookup("default")
	switch kind := f.Type.Kind(); {
	case tagged && kind == reflect.String:
		return quoteIfNeeded(text), true
	case tagged:
		return text, true
	case kind == reflect.String:
		return `""`, false
	case kind == reflect.Pointer || kind == reflect.Interface:
		return noDefault, false
	default:
		return fmt.Sprint(reflect.Zero(f.Type)), false
	}
}

func typeName(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "duration"
	}
	switch t.Kind() { //nolint:exhaustive // a test ensures that the table has no other kinds
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of " + plural(typeName(t.Elem()))
	case reflect.Map:
		return "map of " + plural(typeName(t.Elem()))
	case reflect.Struct:
		return "mapping"
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Interface:
		return "scalar"
	default:
		return t.String()
	}
}

// plural returns the plural of a name of a type: "lists of strings".
func plural(name string) string {
	head, of, found := strings.Cut(name, " of ")
	if found {
		return head + "s of " + of
	}
	return name + "s"
}

// decodeText decodes one value, written as YAML on one line.
func decodeText(t reflect.Type, text string) (reflect.Value, error) {
	if strings.ContainsAny(text, "\r\n") {
		return reflect.Value{}, errors.New("is more than one line")
	}
	values := reflect.New(reflect.MapOf(reflect.TypeFor[string](), t))
	_, err := strictyaml.Decode("", []byte("value: "+text+"\n"), values.Interface())
	var faults strictyaml.Errors
	if errors.As(err, &faults) && len(faults) > 0 {
		return reflect.Value{}, errors.New(faults[0].Message)
	}
	v := values.Elem().MapIndex(reflect.ValueOf("value"))
	if err != nil || !v.IsValid() {
		return reflect.Value{}, errors.New("cannot be read")
	}
	return v, nil
}

// quoteIfNeeded returns YAML that decodes to the string text.
func quoteIfNeeded(text string) string {
	if v, err := decodeText(reflect.TypeFor[string](), text); err == nil && v.String() == text {
		return text
	}
	return strconv.Quote(text)
}
