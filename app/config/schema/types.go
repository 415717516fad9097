package schema

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"usher/internal/strictyaml"
)

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
