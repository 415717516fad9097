package operator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/jwt/v2"
)

// Diff returns the differences between two versions of account claims, one line for
// each member: "- path: value" is removed, "+ path: value" is added. It ignores what
// every signature changes: id, time of issue and signer.
func Diff(before, after *jwt.AccountClaims) ([]string, error) {
	removed, err := members(before)
	if err != nil {
		return nil, err
	}
	added, err := members(after)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(removed)
	maps.Copy(all, added)
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if removed[path] == added[path] {
			continue
		}
		if text, ok := removed[path]; ok {
			lines = append(lines, "- "+path+": "+text)
		}
		if text, ok := added[path]; ok {
			lines = append(lines, "+ "+path+": "+text)
		}
	}
	return lines, nil
}

// members returns every leaf of the decoded claims by its path. The path of a list
// element has its value in place of its index, because the order of a list has no
// meaning in an account JWT.
func members(c *jwt.AccountClaims) (map[string]string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("compare claims: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("compare claims: %w", err)
	}
	for _, name := range []string{"jti", "iat", "iss"} {
		delete(tree, name)
	}
	out := map[string]string{}
	flatten(out, "", tree)
	return out, nil
}

func flatten(out map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, x := range v {
			flatten(out, join(path, name), x)
		}
	case []any:
		for _, x := range v {
			text, _ := json.Marshal(x) // cannot fail: the value was decoded from JSON
			out[path+"["+elementName(x, text)+"]"] = string(text)
		}
	default:
		text, _ := json.Marshal(v)
		out[path] = string(text)
	}
}

// elementName returns the text that identifies an element of a list.
func elementName(x any, text []byte) string {
	if m, ok := x.(map[string]any); ok {
		for _, key := range []string{"key", "name", "subject"} {
			if s, ok := m[key].(string); ok {
				return s
			}
		}
	}
	if s, ok := x.(string); ok {
		return s
	}
	return string(text)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
