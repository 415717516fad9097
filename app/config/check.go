package config

import (
	"reflect"
	"strings"

	"usher/internal/strictyaml"
)

// checker finds what is wrong with a configuration that was decoded.
type checker struct {
	src    *strictyaml.Source
	cfg    reflect.Value // of type Config
	keys   []entry
	faults strictyaml.Errors
}

func (c *checker) check() {
	for i := range c.faults {
		if c.faults[i].Path == "" {
			return // the document as a whole is no configuration
		}
	}
	for i := range c.keys {
		if k := &c.keys[i]; !k.section {
			c.key(k)
		}
	}
	for _, r := range relations() {
		if c.sound(r.keys...) {
			for _, f := range r.check(c) {
				c.add(f.at, f.hint, f.message)
			}
		}
	}
}

func (c *checker) key(k *entry) {
	switch {
	case !c.sound(k.path):
		c.hint(k)
		return
	case k.required && !c.src.Has(k.path):
		// The decoder says so only where the section is there, and without the hint.
		c.add(k.path, k.hint, "is missing")
		return
	}
	for _, u := range k.rules {
		broken := u.check(c.cfg.FieldByIndex(k.index))
		for _, f := range broken {
			if f.hint == "" {
				f.hint = k.hint
			}
			c.add(k.path+f.at, f.hint, f.message)
		}
		if len(broken) > 0 {
			return
		}
	}
}

// hint adds the way out to what the decoder says of a key that is missing.
func (c *checker) hint(k *entry) {
	for i := range c.faults {
		if f := &c.faults[i]; f.Path == k.path && f.Hint == "" && k.required && !c.src.Has(k.path) {
			f.Hint = k.hint
		}
	}
}

func (c *checker) add(path, hint, message string) {
	c.faults = append(c.faults, c.src.Errorf(path, hint, "%s", message))
}

// sound reports whether no fault was found at any of the keys, in them, or in
// a section around them, and none of them is misspelled. What else would be said
// of them might not be true.
func (c *checker) sound(keys ...string) bool {
	for _, key := range keys {
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

// row returns the row of a key. A test holds that relations name no other keys.
func (c *checker) row(path string) *entry {
	for i := range c.keys {
		if c.keys[i].path == path {
			return &c.keys[i]
		}
	}
	return &entry{}
}

// value returns the value of a key.
func (c *checker) value(path string) reflect.Value { return c.cfg.FieldByIndex(c.row(path).index) }

// text returns the value of a key that is a string.
func (c *checker) text(path string) string { return c.value(path).String() }

// set reports whether a key has a value: a text, true, or a list or map with something in it.
func (c *checker) set(path string) bool {
	v := c.value(path)
	return !v.IsZero() && (v.Kind() != reflect.Slice && v.Kind() != reflect.Map || v.Len() > 0)
}

// unchanged reports whether a key has its default, in the file or for want of it.
func (c *checker) unchanged(path string) bool {
	def, err := decodeText(c.row(path).typ, c.row(path).def)
	return err == nil && reflect.DeepEqual(def.Interface(), c.value(path).Interface())
}
