package schema

import (
	"errors"
	"path/filepath"
	"reflect"

	"usher/internal/strictyaml"
)

// Decode decodes a file into a pointer to the struct, adds the defaults and checks the
// values. Relative paths are joined to the folder of file, which names the file in errors
// and is not read. exists reports whether there is a file or folder at a path: such a path
// may look like a secret. If the content is invalid, the error is a strictyaml.Errors with
// every fault.
func (t *Table) Decode(file string, data []byte, into any, exists func(path string) bool) error {
	c := &checker{table: t, cfg: reflect.ValueOf(into).Elem(), dir: filepath.Dir(file), exists: exists}
	return c.load(file, data)
}

// load decodes data into c.cfg, adds the defaults, checks it and resolves its paths.
func (c *checker) load(file string, data []byte) (err error) {
	setDefaults(c.cfg, c.table.entries)
	c.src, err = strictyaml.Decode(file, data, c.cfg.Addr().Interface())
	if err != nil && !errors.As(err, &c.faults) {
		return err
	}
	c.expand(c.table.entries, c.cfg, nil)
	c.check()
	if len(c.faults) > 0 {
		c.faults.Sort()
		return c.faults
	}
	for i := range c.instances {
		c.instances[i].resolvePaths(c.dir)
	}
	return nil
}

// SetDefaults sets every key of the struct, to which of points, to its default.
func (t *Table) SetDefaults(of any) { setDefaults(reflect.ValueOf(of).Elem(), t.entries) }

// setDefaults sets every key of a struct to its default.
func setDefaults(of reflect.Value, keys []entry) {
	for i := range keys {
		if k := &keys[i]; !k.section {
			k.setDefault(of.FieldByIndex(k.index))
		}
	}
}

// setDefault decodes the default tag as YAML. Validate ensures that it can be decoded,
// and that a key without the tag has its zero value as default.
func (e *entry) setDefault(v reflect.Value) {
	switch kind := v.Kind(); {
	case !e.tagged:
		return
	case kind == reflect.Slice && e.def == "[]": // the common ones, without reading YAML
		v.Set(reflect.MakeSlice(e.typ, 0, 0))
		return
	case kind == reflect.Bool && e.def == "true":
		v.SetBool(true)
		return
	}
	if def, err := e.decoded(); err == nil {
		v.Set(clone(def))
	}
}

// clone copies a value with all lists and maps in it.
func clone(v reflect.Value) reflect.Value {
	switch v.Kind() { //nolint:exhaustive // defaults contain no other references
	case reflect.Slice:
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			list.Index(i).Set(clone(v.Index(i)))
		}
		return list
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for key, value := range v.Seq2() {
			m.SetMapIndex(key, clone(value))
		}
		return m
	default:
		return v
	}
}

// resolvePaths joins the relative paths of a value to a folder.
func (k *instance) resolvePaths(dir string) {
	for _, r := range k.rules {
		switch r.Name {
		case "path":
			k.value.SetString(resolve(dir, k.value.String()))
		case "paths":
			for i := range k.value.Len() {
				k.value.Index(i).SetString(resolve(dir, k.value.Index(i).String()))
			}
		}
	}
}

func resolve(dir, path string) string {
	switch {
	case path == "":
		return ""
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	default:
		return filepath.Join(dir, path)
	}
}
