package messagestest_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// mismatches says where an answer differs from a shape. A shape is a JSON value:
//
//   - "$string", "$number", "$bool", "$time" and "$any" are any value of that kind;
//   - an object has keys that the answer must have, besides any others, or, with
//     "$only": true, besides none; a key that ends with "?" may be missing;
//   - {"$each": shape} is a list whose elements have the shape, "$count" of them if it is there;
//   - everything else is that value; ${variables} are allowed in texts.
func (p *player) mismatches(t *testing.T, at string, shape, got any) (all []string) {
	t.Helper()
	bad := func(format string, args ...any) { all = append(all, at+": "+fmt.Sprintf(format, args...)) }
	switch shape := shape.(type) {
	case string:
		if kind, ok := strings.CutPrefix(shape, "$"); ok && !strings.HasPrefix(shape, "${") {
			if !isKind(kind, got) {
				bad("%v is no %s", got, kind)
			}
		} else if want := p.expand(t, shape); got != want {
			bad("%v, expected %s", got, want)
		}
	case map[string]any:
		if each, ok := shape["$each"]; ok {
			list, ok := got.([]any)
			if count, counted := shape["$count"].(float64); !ok || counted && len(list) != int(count) {
				bad("%v, expected a list of %v", got, shape["$count"])
			}
			for i, v := range list {
				all = append(all, p.mismatches(t, fmt.Sprintf("%s[%d]", at, i), each, v)...)
			}
			return all
		}
		object, ok := got.(map[string]any)
		if !ok {
			bad("%v is no object", got)
			return all
		}
		var known []string
		for key, s := range shape {
			if key == "$only" {
				continue
			}
			name, optional := strings.CutSuffix(key, "?")
			known = append(known, name)
			if v, ok := object[name]; ok {
				all = append(all, p.mismatches(t, at+"."+name, s, v)...)
			} else if !optional {
				bad("%s is missing", name)
			}
		}
		for name := range object {
			if shape["$only"] == true && !slices.Contains(known, name) {
				bad("the client does not take %s", name)
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(shape) {
			bad("%v, expected %v", got, shape)
			return all
		}
		for i := range shape {
			all = append(all, p.mismatches(t, fmt.Sprintf("%s[%d]", at, i), shape[i], list[i])...)
		}
	default:
		if !reflect.DeepEqual(shape, got) {
			bad("%v, expected %v", got, shape)
		}
	}
	return all
}

func isKind(kind string, v any) bool {
	switch v := v.(type) {
	case string:
		if kind == "time" {
			_, err := time.Parse(time.RFC3339Nano, v)
			return err == nil
		}
		return kind == "string" || kind == "any"
	case float64:
		return kind == "number" || kind == "any"
	case bool:
		return kind == "bool" || kind == "any"
	default:
		return kind == "any"
	}
}

// save sets a variable to a value of an answer by its path, such as a.b or a.0.b, or to the
// list of values of all elements, as a[].b. A variable all_… keeps those that it had.
func (p *player) save(t *testing.T, name, from string, got any) {
	t.Helper()
	before, after, list := strings.Cut(from, "[].")
	v := valueAt(t, before, got)
	if !list {
		p.texts[name] = fmt.Sprint(v)
		return
	}
	elements, ok := v.([]any)
	if !ok {
		t.Fatalf("%s is no list: %v", before, v)
	}
	if !strings.HasPrefix(name, "all_") {
		p.lists[name] = []string{}
	}
	for _, e := range elements {
		p.lists[name] = append(p.lists[name], fmt.Sprint(valueAt(t, after, e)))
	}
}

func valueAt(t *testing.T, path string, v any) any {
	t.Helper()
	for name := range strings.SplitSeq(path, ".") {
		if list, ok := v.([]any); ok && name == "0" && len(list) > 0 {
			v = list[0]
			continue
		}
		object, ok := v.(map[string]any)
		if !ok || object[name] == nil {
			t.Fatalf("there is no %s in %v", path, v)
		}
		v = object[name]
	}
	return v
}
