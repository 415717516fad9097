package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// KeyedPath is a file or folder that a configuration names.
type KeyedPath struct {
	Key  string // such as "credentials.oidc[0].ca_file"
	Path string
}

// Paths returns every file and folder that the configuration names, in the order of its keys.
func (c *Config) Paths() []KeyedPath { return appendPaths(nil, "", reflect.ValueOf(c).Elem()) }

func appendPaths(all []KeyedPath, at string, section reflect.Value) []KeyedPath {
	for i := range section.NumField() {
		field := section.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		key := field.Tag.Get("yaml")
		if at != "" {
			key = at + "." + key
		}
		switch v := section.Field(i); {
		case v.Kind() == reflect.Struct:
			all = appendPaths(all, key, v)
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for n := range v.Len() {
				all = appendPaths(all, fmt.Sprintf("%s[%d]", key, n), v.Index(n))
			}
		case v.Kind() == reflect.String && v.Len() > 0 && slices.Contains(strings.Fields(field.Tag.Get("rule")), "path"):
			all = append(all, KeyedPath{key, v.String()})
		}
	}
	return all
}
