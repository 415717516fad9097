package strictyaml

import (
	"fmt"
	"strconv"
	"strings"

	"usher/internal/secret"
)

// place is a position in the file, line and column from 1.
type place struct{ line, column int }

// Source knows where every path of a decoded document stands. Only paths that
// the Go value has a field for are known. It is immutable once Decode returned.
type Source struct {
	file   string
	places map[string]place
}

// Has reports whether the document has something at path.
func (s *Source) Has(path string) bool {
	_, ok := s.places[path]
	return ok
}

// Errorf returns an Error that stands at path, or, where the document has no
// such path, at its nearest parent that it has. The Error keeps
// path as given, but for what looks like a secret; that it never shows.
func (s *Source) Errorf(path, hint, format string, args ...any) Error {
	at := s.find(path)
	return Error{
		File: s.file, Line: at.line, Column: at.column,
		Path: secret.Redact(path), Message: secret.Redact(fmt.Sprintf(format, args...)), Hint: secret.Redact(hint),
	}
}

func (s *Source) find(path string) place {
	for {
		if at, ok := s.places[path]; ok {
			return at
		}
		if path == "" {
			return place{1, 1}
		}
		path = parentPath(path)
	}
}

// KeyPath returns the path of key in the mapping at parent: "parent.key", or
// `parent["key"]` for a key that would not be clear in the dotted form.
func KeyPath(parent, key string) string {
	if !plainKey(key) {
		return parent + "[" + strconv.Quote(key) + "]"
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// IndexPath returns the path of entry i of the list at parent.
func IndexPath(parent string, i int) string {
	return parent + "[" + strconv.Itoa(i) + "]"
}

func plainKey(key string) bool {
	for _, r := range key {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case r == '_', r == '-', r == '$':
		default:
			return false
		}
	}
	return key != ""
}

// parentPath cuts the last key or index off a path that is not empty. It reads
// from the front, because a quoted key may hold dots and brackets.
func parentPath(path string) string {
	last := 0
	for i := 0; i < len(path); {
		switch path[i] {
		case '.':
			last = i
			i++
		case '[':
			last = i
			i += bracketLen(path[i:])
		default:
			i++
		}
	}
	return path[:last]
}

// bracketLen returns the length of the index or quoted key at the front of s.
func bracketLen(s string) int {
	if quoted, err := strconv.QuotedPrefix(s[1:]); err == nil {
		return min(len(s), 1+len(quoted)+1)
	}
	if end := strings.IndexByte(s, ']'); end >= 0 {
		return end + 1
	}
	return len(s)
}
