package strictyaml

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// schema describes the keys of a struct type.
type schema struct {
	fields map[string]field
	names  []string // in the order of the struct
}

type field struct {
	index                      []int // of reflect.Value.FieldByIndex
	required, nonempty, secret bool
}

// shape is the kind of document value that a type is decoded from.
type shape int

const (
	shapeNone shape = iota
	shapeString
	shapeBool
	shapeInt
	shapeUint
	shapeFloat
	shapeDuration
	shapeTime
	shapePrefix
	shapeText
	shapePointer
	shapeStruct
	shapeMap
	shapeList
	shapeAny
)

// shapeOf returns the shape of t; shapeNone if t is not supported.
func shapeOf(t reflect.Type) shape {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return shapeDuration
	case reflect.TypeFor[time.Time]():
		return shapeTime
	case reflect.TypeFor[netip.Prefix]():
		return shapePrefix
	}
	if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return shapeText
	}
	switch t.Kind() { //nolint:exhaustive // every other kind is unsupported
	case reflect.String:
		return shapeString
	case reflect.Bool:
		return shapeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return shapeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return shapeUint
	case reflect.Float64:
		return shapeFloat
	case reflect.Pointer:
		return shapePointer
	case reflect.Struct:
		return shapeStruct
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return shapeMap
		}
	case reflect.Slice:
		return shapeList
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return shapeAny
		}
	}
	return shapeNone
}

// schemas are the schemas of a type and of the types in it.
type schemas map[reflect.Type]*schema

// compiled has the schemas of each type that was decoded, by its reflect.Type. To read the
// tags of all fields takes longer than to decode a small document.
var compiled sync.Map

// schemasOf returns the schemas of t. It returns an error for the first type in t that
// cannot be decoded: a mistake in the program, not in the document.
func schemasOf(t reflect.Type) (schemas, error) {
	if known, ok := compiled.Load(t); ok {
		return known.(schemas), nil //nolint:forcetypeassert // nothing else is stored
	}
	s := schemas{}
	if err := s.compile(t); err != nil {
		return nil, err
	}
	compiled.Store(t, s)
	return s, nil
}

// compile adds the schemas of t and of the types in it.
func (all schemas) compile(t reflect.Type) error {
	switch shapeOf(t) { //nolint:exhaustive // every other shape has no types in it
	case shapeNone:
		return fmt.Errorf("values of type %s cannot be decoded", t)
	case shapePointer, shapeMap, shapeList:
		return all.compile(t.Elem())
	case shapeStruct:
		return all.compileStruct(t)
	default:
		return nil
	}
}

func (all schemas) compileStruct(t reflect.Type) error {
	if _, known := all[t]; known {
		return nil
	}
	s := &schema{fields: map[string]field{}}
	all[t] = s // before its fields, because a type may contain itself
	return all.compileFields(s, t, nil)
}

// compileFields adds the fields of a struct, which is embedded at index, to a schema.
func (all schemas) compileFields(s *schema, t reflect.Type, index []int) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch at := append(slices.Clip(index), i); {
		case name == "-":
			continue
		case name == "" && sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			if err := all.compileFields(s, sf.Type, at); err != nil {
				return err
			}
			continue
		case name == "":
			return fmt.Errorf("field %s of %s has no yaml tag", sf.Name, t)
		case !sf.IsExported():
			return fmt.Errorf("field %s of %s is not exported", sf.Name, t)
		case slices.Contains(s.names, name):
			return fmt.Errorf("two fields of %s are named %q", t, name)
		}
		s.names = append(s.names, name)
		s.fields[name] = field{
			index:    append(slices.Clip(index), i),
			required: sf.Tag.Get("required") == "true",
			nonempty: sf.Tag.Get("nonempty") == "true",
			secret:   sf.Tag.Get("secret") == "true",
		}
		if err := all.compile(sf.Type); err != nil {
			return fmt.Errorf("field %s of %s: %w", sf.Name, t, err)
		}
	}
	return nil
}
