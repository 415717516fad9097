package schema

import "reflect"

// Values is what a constraint sees: the values of one configuration. For a constraint on the
// elements of a list, the paths of the table mean the keys of one element.
type Values struct {
	c     *checker
	scope scope
}

// Root returns the configuration as a whole, a pointer to the struct.
func (v *Values) Root() any { return v.c.cfg.Addr().Interface() }

// Paths returns the path of every key. A key of the elements of a list is there once for
// each element, as "credentials.oidc[0].issuer".
func (v *Values) Paths() []string {
	paths := make([]string, len(v.c.instances))
	for i := range paths {
		paths[i] = v.c.instances[i].path
	}
	return paths
}

// Valid reports whether none of the keys is misspelled or has a fault. A constraint is only
// checked if its own keys are valid.
func (v *Values) Valid(keys ...string) bool {
	for _, key := range keys {
		if !v.c.valid(v.scope.apply(key)) {
			return false
		}
	}
	return true
}

// Has reports whether the file has a key or a section.
func (v *Values) Has(key string) bool { return v.c.src.Has(v.scope.apply(key)) }

// String returns the value of a key that is a string.
func (v *Values) String(key string) string { return v.at(key).value.String() }

// Int returns the value of a key that is an integer or a duration.
func (v *Values) Int(key string) int64 { return v.at(key).value.Int() }

// Hint returns the hint of a key.
func (v *Values) Hint(key string) string { return v.at(key).hint }

// IsSet reports whether a key has a value: a nonempty string, list or map, true, or
// a number other than 0.
func (v *Values) IsSet(key string) bool {
	value := v.at(key).value
	return !value.IsZero() && (value.Kind() != reflect.Slice && value.Kind() != reflect.Map || value.Len() > 0)
}

// IsDefault reports whether a key has its default value, whether or not the file
// sets it.
func (v *Values) IsDefault(key string) bool {
	at := v.at(key)
	def, err := decodeText(at.typ, at.def)
	return err == nil && reflect.DeepEqual(def.Interface(), at.value.Interface())
}

// at returns the instance of a key. Validate ensures that constraints name only keys of the
// table.
func (v *Values) at(key string) *instance { return v.c.byPath[v.scope.apply(key)] }
