package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"usher/identity"
)

// The facts that every identity has. Every other path leads into identity.Attributes.
const (
	factAuthority = "authority"
	factMethod    = "method"
	factID        = "id"
)

func isBuiltIn(key string) bool { return key == factAuthority || key == factMethod || key == factID }

// factPath is the way to a fact: keys that are separated by dots. A key with other
// characters than plain ones is in double quotes, as in Go.
type factPath struct {
	text string
	keys []string
}

// parsePath parses a path.
func parsePath(text string) (factPath, error) {
	keys, rest, err := cutPath(text)
	switch {
	case err != nil:
		return factPath{}, err
	case rest != "":
		return factPath{}, fmt.Errorf("has %q, which a key has only in double quotes", firstRune(rest))
	}
	return newPath(text, keys)
}

func newPath(text string, keys []string) (factPath, error) {
	if isBuiltIn(keys[0]) && len(keys) > 1 {
		return factPath{}, fmt.Errorf("leads into %s, which is a text", keys[0])
	}
	return factPath{text, keys}, nil
}

// cutPath parses the path that text begins with, and returns what follows it.
func cutPath(text string) (keys []string, rest string, err error) {
	for {
		key, tail, err := cutKey(text)
		if err != nil {
			return nil, "", err
		}
		keys = append(keys, key)
		if text = strings.TrimPrefix(tail, "."); text == tail {
			return keys, tail, nil
		}
	}
}

func cutKey(text string) (key, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexFunc(text, func(r rune) bool { return !isPlain(r) })
		if end < 0 {
			end = len(text)
		}
		if end == 0 {
			return "", "", errors.New("has an empty key")
		}
		return text[:end], text[end:], nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", errors.New("has a double quote that does not end")
	}
	key, err = strconv.Unquote(quoted)
	if err != nil || key == "" {
		return "", "", errors.New("has an empty key")
	}
	return key, text[len(quoted):], nil
}

// isPlain reports whether a key can have r without quotes.
func isPlain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-:$@+", r)
}

func firstRune(text string) rune {
	for _, r := range text {
		return r
	}
	return 0
}

// find returns the fact of an identity; nil: it has none, or it is a JSON null.
func (p *factPath) find(id *identity.Identity) any {
	if isBuiltIn(p.keys[0]) {
		return orNil(builtIn(p.keys[0], id))
	}
	var at any = map[string]any(id.Attributes)
	for _, key := range p.keys {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	return at
}

func builtIn(key string, id *identity.Identity) string {
	switch key {
	case factAuthority:
		return string(id.Authority)
	case factMethod:
		return string(id.Method)
	default:
		return id.ID
	}
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}
