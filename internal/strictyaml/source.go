package strictyaml

import (
	"fmt"
	"strconv"
	"strings"

	"usher/internal/secret"
)

// position is a place in the file; line and column count from 1.
type position struct{ line, column int }

// Source maps the paths of a decoded document to their positions. It knows only
// paths that the Go value has a field for. It is immutable once Decode returned.
type Source struct {
	file       string
	positions  map[string]position
	misspelled map[string]bool // paths that an unknown key was probably meant to be
}

// Has reports whether the document has something at path.
func (s *Source) Has(path string) bool {
	_, ok := s.positions[path]
	return ok
}

// Misspelled reports whether the document probably has path, or a mapping around
// it, under a misspelled key, for which Decode has reported an unknown key. Errors
// about a missing path, or about what follows from it, would only repeat that one.
func (s *Source) Misspelled(path string) bool {
	if len(s.misspelled) == 0 {
		return false
	}
	for ; path != ""; path = parentPath(path) {
		if s.misspelled[path] && !s.Has(path) {
			return true
		}
	}
	return false
}

// Errorf returns an Error at the position of path or, if the document has no such
// path, of its nearest parent. The Error keeps path as given, except that anything
// that looks like a secret is redacted.
func (s *Source) Errorf(path, hint, format string, args ...any) Error {
	pos := s.find(path)
	return Error{
		File: s.file, Line: pos.line, Column: pos.column,
		Path: secret.Redact(path), Message: secret.Redact(fmt.Sprintf(format, args...)), Hint: secret.Redact(hint),
	}
}

func (s *Source) find(path string) position {
	for {
		if pos, ok := s.positions[path]; ok {
			return pos
		}
		if path == "" {
			return position{1, 1}
		}
		path = parentPath(path)
	}
}

// KeyPath returns the path of key in the mapping at parent: "parent.key", or
// `parent["key"]` for a key that would be ambiguous in the dotted form.
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

// parentPath cuts the last key or index off a path that is not empty. It scans
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
