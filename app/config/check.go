package config

import (
	"path/filepath"
	"reflect"
	"strings"

	"usher/app/config/rule"
	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// checker validates a decoded configuration.
type checker struct {
	src    *strictyaml.Source
	cfg    reflect.Value // of type Config, but in tests
	keys   []entry
	faults strictyaml.Errors
	dir    string                 // to which relative paths are joined
	exists func(path string) bool // whether there is a file

	instances []instance           // of every key, those of elements before their list
	byPath    map[string]*instance // the same, by path
	scopes    map[string][]scope   // of the elements, by the path of the elements in the table
	scope     scope                // in which a constraint is checked
}

func (c *checker) check(all []constraint) {
	for i := range c.faults {
		if c.faults[i].Path == "" {
			return // the document as a whole is invalid
		}
	}
	for i := range c.instances {
		c.checkKey(&c.instances[i])
	}
	for _, r := range all {
		for _, s := range c.scopesOf(r.keys) {
			c.scope = s
			if !c.valid(r.keys...) {
				continue
			}
			for _, f := range r.check(c) {
				c.add(s.apply(f.at), s.apply(f.hint), s.apply(f.message))
			}
		}
	}
}

func (c *checker) checkKey(k *instance) {
	switch {
	case !c.valid(k.path):
		c.addMissingHint(k)
		return
	case k.required && !c.src.Has(k.path):
		// The decoder reports this only if the section is present, and without the hint.
		c.add(k.path, k.hint, "is missing")
		return
	}
	all := rules()
	for _, r := range k.rules {
		faults := all.Check(r, k.value)
		if r.Name == "path" && len(faults) > 0 && c.isExistingPath(k.value.String()) {
			faults = nil
			if message, hint := rule.CheckPathForm(k.value.String()); message != "" {
				faults = []rule.Fault{{Message: message, Hint: hint}}
			}
		}
		for _, f := range faults {
			if f.Hint == "" {
				f.Hint = k.hint
			}
			c.add(k.path+f.At, f.Hint, f.Message)
		}
		if len(faults) > 0 {
			return
		}
	}
}

// isExistingPath reports whether a text is a path of several elements, and every element
// that looks like a secret is the name of a file or folder. Long names of folders can look
// like a key of usher ("usher_of_the_payments_department"). The names stay hidden in messages.
func (c *checker) isExistingPath(text string) bool {
	if filepath.Base(text) == text {
		return false
	}
	for path := resolve(c.dir, text); ; path = filepath.Dir(path) {
		if secret.Detect(filepath.Base(path)) && !c.exists(path) {
			return false
		}
		if path == filepath.Dir(path) {
			return true
		}
	}
}

// addMissingHint adds the hint of a missing key to the decoder's error.
func (c *checker) addMissingHint(k *instance) {
	for i := range c.faults {
		if f := &c.faults[i]; f.Path == k.path && f.Hint == "" && k.required && !c.src.Has(k.path) {
			f.Hint = k.hint
		}
	}
}

func (c *checker) add(path, hint, message string) {
	c.faults = append(c.faults, c.src.Errorf(path, hint, "%s", message))
}

// valid reports whether none of the keys is misspelled, and none of them, nothing in
// them and no section around them has a fault. Further checks of a faulty key could
// give misleading errors.
func (c *checker) valid(keys ...string) bool {
	for _, key := range keys {
		key = c.scope.apply(key)
		if c.src.Misspelled(key) {
			return false
		}
		for i := range c.faults {
			p := c.faults[i].Path
			if p == key || strings.HasPrefix(key, p+".") || strings.HasPrefix(p, key+"[") || strings.HasPrefix(p, key+".") {
				return false
			}
		}
	}
	return true
}

// at returns the instance of a key in the scope of the constraint. A test ensures that
// constraints name only keys of the table.
func (c *checker) at(path string) *instance { return c.byPath[c.scope.apply(path)] }

// has reports whether the file has a key.
func (c *checker) has(path string) bool { return c.src.Has(c.scope.apply(path)) }

// value returns the value of a key.
func (c *checker) value(path string) reflect.Value { return c.at(path).value }

// stringValue returns the value of a key that is a string.
func (c *checker) stringValue(path string) string { return c.value(path).String() }

// isSet reports whether a key has a value: a nonempty string, list or map, true, or
// a number other than 0.
func (c *checker) isSet(path string) bool {
	v := c.value(path)
	return !v.IsZero() && (v.Kind() != reflect.Slice && v.Kind() != reflect.Map || v.Len() > 0)
}

// hasDefault reports whether a key has its default value, whether or not the file
// sets it.
func (c *checker) hasDefault(path string) bool {
	def, err := decodeText(c.at(path).typ, c.at(path).def)
	return err == nil && reflect.DeepEqual(def.Interface(), c.value(path).Interface())
}
