package schema

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
	table  *Table
	cfg    reflect.Value
	faults strictyaml.Errors
	dir    string                 // to which relative paths are joined
	exists func(path string) bool // whether there is a file

	instances []instance           // of every key, those of elements before their list
	byPath    map[string]*instance // the same, by path
	scopes    map[string][]scope   // of the elements, by the path of the elements in the table
}

func (c *checker) check() {
	for i := range c.faults {
		if c.faults[i].Path == "" {
			return // the document as a whole is invalid
		}
	}
	for i := range c.instances {
		c.checkKey(&c.instances[i])
	}
	for _, r := range c.table.constraints {
		for _, s := range c.scopesOf(r.Keys) {
			v := &Values{c, s}
			if !v.Valid(r.Keys...) {
				continue
			}
			for _, f := range r.Check(v) {
				c.add(s.apply(f.Key), s.apply(f.Hint), s.apply(f.Message))
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
	for _, r := range k.rules {
		faults := c.table.rules.Check(r, k.value)
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

// valid reports whether a key is not misspelled, and neither it, nor anything in it, nor a
// section around it has a fault. Further checks of a faulty key could give misleading
// errors.
func (c *checker) valid(key string) bool {
	if c.src.Misspelled(key) {
		return false
	}
	for i := range c.faults {
		p := c.faults[i].Path
		if p == key || strings.HasPrefix(key, p+".") || strings.HasPrefix(p, key+"[") || strings.HasPrefix(p, key+".") {
			return false
		}
	}
	return true
}
