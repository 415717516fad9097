package operator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/jwt/v2"
)

// Diff returns what two claims of one account differ in, for people: a line for
// each member, "- " and "+ " before what goes and what comes. What every signature
// changes (id, time of issue, signer) is left out.
func Diff(before, after *jwt.AccountClaims) ([]string, error) {
	was, err := members(before)
	if err != nil {
		return nil, err
	}
	is, err := members(after)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(both(was, is))) {
		if was[path] == is[path] {
			continue
		}
		if text, ok := was[path]; ok {
			lines = append(lines, "- "+path+": "+text)
		}
		if text, ok := is[path]; ok {
			lines = append(lines, "+ "+path+": "+text)
		}
	}
	return lines, nil
}

func both(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// members returns every leaf of the decoded claims by its path. Elements of lists
// go by their value, for their order means nothing in an account JWT.
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
			text, _ := json.Marshal(x) // it came from JSON
			out[path+"["+name(x, text)+"]"] = string(text)
		}
	default:
		text, _ := json.Marshal(v)
		out[path] = string(text)
	}
}

// name returns what tells one element of a list from another.
func name(x any, text []byte) string {
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
