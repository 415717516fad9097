package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A CertificateFile is a file with certificates that the configuration names.
type CertificateFile struct {
	Key, Path string // "nats.tls.ca_file", "credentials.oidc[0].keys.ca_file"; a path
	Authority bool   // certificates to trust; otherwise one to present, perhaps with its chain
}

// CertificateFiles returns the files with certificates that are set, in the order of their keys.
func (c *Config) CertificateFiles() []CertificateFile {
	files := certificateFiles(nil, "", reflect.ValueOf(c).Elem())
	slices.SortFunc(files, func(x, y CertificateFile) int { return strings.Compare(x.Key, y.Key) })
	return files
}

func certificateFiles(files []CertificateFile, at string, v reflect.Value) []CertificateFile {
	switch kind := v.Kind(); {
	case kind == reflect.Pointer && !v.IsNil():
		return certificateFiles(files, at, v.Elem())
	case kind == reflect.Slice:
		for i := range v.Len() {
			files = certificateFiles(files, at+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
	case kind == reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			tag, ok := field.Tag.Lookup("yaml")
			if !ok || !field.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(tag, ",")
			key := strings.Trim(at+"."+name, ".") // without a name it is inline
			authority := strings.HasSuffix(name, "ca_file")
			if f := v.Field(i); f.Kind() != reflect.String {
				files = certificateFiles(files, key, f)
			} else if (authority || name == "cert_file") && f.String() != "" {
				files = append(files, CertificateFile{Key: key, Path: f.String(), Authority: authority})
			}
		}
	}
	return files
}
