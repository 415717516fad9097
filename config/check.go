package config

import (
	"reflect"
	"strings"

	"usher/strictyaml"
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
// a section around them. What else would be said of them might not be true.
func (c *checker) sound(keys ...string) bool {
	for _, key := range keys {
		for i := range c.faults {
			p := c.faults[i].Path
			if p == key || strings.HasPrefix(key, p+".") || strings.HasPrefix(p, key+"[") {
				return false
			}
		}
	}
	return true
}

// text returns the value of a key that is a string.
func (c *checker) text(path string) string {
	for i := range c.keys {
		if c.keys[i].path == path {
			return c.cfg.FieldByIndex(c.keys[i].index).String()
		}
	}
	return ""
}

// set reports whether a key has a value: a text, or a list with something in it.
func (c *checker) set(path string) bool {
	for i := range c.keys {
		if c.keys[i].path == path {
			v := c.cfg.FieldByIndex(c.keys[i].index)
			return !v.IsZero() && (v.Kind() != reflect.Slice || v.Len() > 0)
		}
	}
	return false
}
