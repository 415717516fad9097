package strictyaml

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// keyDecoder decodes the value of one key of the mapping at l.
type keyDecoder func(key string, keyPos position, value *yaml.Node, l location) bool

// mapping calls decode once for each key of n.
func (d *decoder) mapping(n *yaml.Node, rv reflect.Value, l location, decode keyDecoder) bool {
	if n.Kind != yaml.MappingNode {
		return d.wrongType(n, rv, l)
	}
	ok := true
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := l
		at.pos = position{key.Line, key.Column}
		if !d.checkKey(key, at) {
			ok = false
			continue
		}
		if first, dup := lines[key.Value]; dup {
			at.path = KeyPath(l.path, displayKey(key.Value))
			ok = d.report(at, "", "duplicate key, the first is on line %d", first)
			continue
		}
		lines[key.Value] = key.Line
		if !decode(key.Value, at.pos, value, l) {
			ok = false
		}
	}
	if s, isStruct := d.schemas[rv.Type()]; isStruct && !d.missing(s, lines, l) {
		ok = false
	}
	return ok
}

// checkKey reports whether n can be a key.
func (d *decoder) checkKey(n *yaml.Node, l location) bool {
	if !d.checkNode(n, l) {
		return false
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
		return d.report(l, "write the keys out", "merge keys are not supported")
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = "quote it"
		}
		return d.report(l, hint, "expected a string as key, found %s", describe(n))
	case n.Value == "":
		return d.report(l, "", "empty key")
	}
	return true
}

// fieldDecoder decodes each key into the field of that name.
func (d *decoder) fieldDecoder(rv reflect.Value) keyDecoder {
	s := d.schemas[rv.Type()]
	return func(key string, keyPos position, value *yaml.Node, l location) bool {
		f, known := s.fields[key]
		if !known {
			return d.unknownKey(key, keyPos, s, l)
		}
		field := rv.FieldByIndex(f.index)
		at := l.key(key, valuePosition(keyPos, value), f.secret)
		ok := d.value(value, field, at)
		if ok && (f.required || f.nonempty) && isBlank(field) {
			hint := ""
			if !f.required {
				hint = "leave the key out, or give it a value"
			}
			return d.report(at, hint, "must not be empty")
		}
		return ok
	}
}

// unknownKey reports a key that the mapping at l cannot have, and records which
// key it was probably meant to be.
func (d *decoder) unknownKey(key string, pos position, s *schema, l location) bool {
	if meant, ok := closest(key, s.names); ok {
		d.src.misspelled[KeyPath(l.path, meant)] = true
	}
	l.pos, l.path = pos, KeyPath(l.path, displayKey(key))
	return d.report(l, Suggest(key, "known keys", s.names), "unknown key")
}

// entryDecoder decodes each key into an entry of a map.
func (d *decoder) entryDecoder(rv reflect.Value) keyDecoder {
	return func(key string, keyPos position, value *yaml.Node, l location) bool {
		entry := reflect.New(rv.Type().Elem()).Elem()
		ok := d.value(value, entry, l.key(key, valuePosition(keyPos, value), false))
		rv.SetMapIndex(reflect.ValueOf(key).Convert(rv.Type().Key()), entry)
		return ok
	}
}

// missing reports the required keys that are neither present nor misspelled.
func (d *decoder) missing(s *schema, present map[string]int, l location) bool {
	ok := true
	for _, name := range s.names {
		path := KeyPath(l.path, name)
		if _, found := present[name]; found || !s.fields[name].required {
			continue
		}
		ok = false
		if !d.src.misspelled[path] {
			at := l
			at.path = path
			d.report(at, "", "is missing")
		}
	}
	return ok
}

// valuePosition is where an error about a value points: at the value if it is a
// scalar that is written out, else at its key.
func valuePosition(key position, value *yaml.Node) position {
	if value.Kind == yaml.AliasNode || value.Kind == yaml.ScalarNode && value.ShortTag() != "!!null" {
		return position{value.Line, value.Column}
	}
	return key
}

func isBlank(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return true
		}
		v = v.Elem()
	}
	switch v.Kind() { //nolint:exhaustive // values of every other kind count as present
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return false
	}
}
