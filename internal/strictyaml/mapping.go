package strictyaml

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// keyFunc decodes the value of one key of a mapping.
type keyFunc func(key string, keyAt place, value *yaml.Node, s spot) bool

// mapping walks the keys of n, each once, and hands them to one.
func (d *decoder) mapping(n *yaml.Node, rv reflect.Value, s spot, one keyFunc) bool {
	if n.Kind != yaml.MappingNode {
		return d.wrongType(n, rv, s)
	}
	ok := true
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := place{key.Line, key.Column}
		here := s
		here.at = at
		if !d.keyNode(key, here) {
			ok = false
			continue
		}
		if first, dup := lines[key.Value]; dup {
			here.path = KeyPath(s.path, shownKey(key.Value))
			ok = d.fault(here, "", "duplicate key, the first is on line %d", first)
			continue
		}
		lines[key.Value] = at.line
		if !one(key.Value, at, value, s) {
			ok = false
		}
	}
	if p, isStruct := d.plans[rv.Type()]; isStruct && !d.missing(p, lines, s) {
		ok = false
	}
	return ok
}

// keyNode reports whether n can be a key.
func (d *decoder) keyNode(n *yaml.Node, s spot) bool {
	if !d.plainNode(n, s) {
		return false
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
		return d.fault(s, "write the keys out", "merge keys are not supported")
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = "quote it"
		}
		return d.fault(s, hint, "expected a string as key, found %s", foundName(n))
	case n.Value == "":
		return d.fault(s, "", "a key is empty")
	}
	return true
}

// structKey returns what decodes a key into the field of that name.
func (d *decoder) structKey(rv reflect.Value) keyFunc {
	p := d.plans[rv.Type()]
	return func(key string, keyAt place, value *yaml.Node, s spot) bool {
		f, known := p.fields[key]
		if !known {
			s.at, s.path = keyAt, KeyPath(s.path, shownKey(key))
			return d.fault(s, Suggest(key, "known keys", p.names), "unknown key")
		}
		field := rv.Field(f.index)
		in := s.key(key, valuePlace(keyAt, value), f.secret)
		ok := d.value(value, field, in)
		if ok && (f.required || f.nonempty) && isBlank(field) {
			hint := ""
			if !f.required {
				hint = "leave the key out, or give it a value"
			}
			return d.fault(in, hint, "must not be empty")
		}
		return ok
	}
}

// mapKey returns what decodes a key into an entry of a map.
func (d *decoder) mapKey(rv reflect.Value) keyFunc {
	return func(key string, keyAt place, value *yaml.Node, s spot) bool {
		entry := reflect.New(rv.Type().Elem()).Elem()
		ok := d.value(value, entry, s.key(key, valuePlace(keyAt, value), false))
		rv.SetMapIndex(reflect.ValueOf(key).Convert(rv.Type().Key()), entry)
		return ok
	}
}

// missing reports the required keys that are not among the present ones.
func (d *decoder) missing(p *plan, present map[string]int, s spot) bool {
	ok := true
	for _, name := range p.names {
		if _, there := present[name]; p.fields[name].required && !there {
			at := s
			at.path = KeyPath(s.path, name)
			ok = d.fault(at, "", "is missing")
		}
	}
	return ok
}

// valuePlace is where a reader looks for the value of a key: at the value if it
// is a scalar that is written out, else at the key.
func valuePlace(key place, value *yaml.Node) place {
	if value.Kind == yaml.AliasNode || value.Kind == yaml.ScalarNode && value.ShortTag() != "!!null" {
		return place{value.Line, value.Column}
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
	switch v.Kind() { //nolint:exhaustive // every other kind is a value that stands for itself
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return false
	}
}
