package strictyaml

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v4"

	"usher/internal/secret"
)

// maxErrors bounds what one document can make Decode say.
const maxErrors = 1000

// What anchors and aliases are answered with.
const (
	aliasMessage = "aliases are not supported"
	aliasHint    = "write the value out; a string that begins with * or & needs quotes"
)

// Decode decodes the one document in data into what v points to. The file is
// only named, not read. The error is an Errors with every fault, sorted by
// line; all that has no fault is filled in nonetheless, and the Source is never
// nil.
//
// Structs name their keys with the tag `yaml:"name"`; "-" leaves a field out.
// Further tags: `required:"true"` demands that the key is there and not empty,
// `nonempty:"true"` that it is not empty if it is there, `secret:"true"` keeps
// values out of the messages. A key that the document does not have leaves its
// field as it was, so defaults are set before; lists and maps are replaced as a
// whole. An empty document is one without keys.
//
// Fields are of type string, bool, int, uint, float64 and their kin,
// time.Duration ("1.5s"), time.Time (RFC 3339), netip.Prefix (a bare address is
// a prefix of one), any encoding.TextUnmarshaler, and structs, pointers, slices
// and maps with string keys of these. Any other type in v is an error, whatever
// the document holds.
func Decode(file string, data []byte, v any) (*Source, error) {
	d := &decoder{
		src:   &Source{file: file, places: map[string]place{"": {1, 1}}},
		plans: map[reflect.Type]*plan{},
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return d.src, Errors{{File: file, Message: "strictyaml: the target is not a pointer to a value"}}
	}
	if err := d.learn(rv.Type()); err != nil {
		return d.src, Errors{{File: file, Message: "strictyaml: " + err.Error()}}
	}
	root, errs := compose(file, data)
	d.errs = errs
	if root == nil || isEmpty(root) {
		// Nothing else is said of a file that could not be read.
		if root != nil || len(errs) == 0 {
			d.empty(rv.Elem())
		}
	} else {
		d.value(root, rv.Elem(), spot{at: place{root.Line, root.Column}})
	}
	if len(d.errs) == 0 {
		return d.src, nil
	}
	d.errs.Sort()
	return d.src, d.errs
}

// decoder carries one call of Decode.
type decoder struct {
	src   *Source
	errs  Errors
	plans map[reflect.Type]*plan
}

// spot is where the walk is.
type spot struct {
	path   string
	at     place // of the value; of its key if the value is not a scalar
	depth  int
	secret bool
}

func (s spot) key(key string, at place, secret bool) spot {
	return spot{path: KeyPath(s.path, key), at: at, depth: s.depth + 1, secret: s.secret || secret}
}

func (s spot) index(i int, at place) spot {
	return spot{path: IndexPath(s.path, i), at: at, depth: s.depth + 1, secret: s.secret}
}

// fault notes an error at s and returns false, for value to return.
func (d *decoder) fault(s spot, hint, format string, args ...any) bool {
	e := Error{
		File: d.src.file, Line: s.at.line, Column: s.at.column,
		Path: secret.Redact(s.path), Message: secret.Redact(fmt.Sprintf(format, args...)), Hint: secret.Redact(hint),
	}
	switch {
	case len(d.errs) < maxErrors:
		d.errs = append(d.errs, e)
	case len(d.errs) == maxErrors:
		e.Path, e.Message, e.Hint = "", fmt.Sprintf("more than %d faults, the others are not shown", maxErrors), ""
		d.errs = append(d.errs, e)
	}
	return false
}

func isEmpty(root *yaml.Node) bool {
	return root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Value == "" && root.Anchor == "" &&
		root.Style&yaml.TaggedStyle == 0
}

// empty decodes a document without content, which may lack required keys.
func (d *decoder) empty(rv reflect.Value) {
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if p, ok := d.plans[rv.Type()]; ok {
		d.missing(p, nil, spot{at: place{1, 1}})
	}
}

// value decodes n into rv and reports whether all of it could be.
func (d *decoder) value(n *yaml.Node, rv reflect.Value, s spot) bool {
	d.src.places[s.path] = s.at
	if s.depth > MaxDepth {
		return d.fault(s, "", "nested more than %d levels deep", MaxDepth)
	}
	if !d.plainNode(n, s) {
		return false
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		hint := "leave the key out, or give it a value"
		if shape := shapeOf(rv.Type()); shape == shapeList || shape == shapeMap {
			hint = "leave the key out, or write [] or {} for an empty one"
		}
		return d.fault(s, hint, "expected %s, found null", nameOf(rv.Type()))
	}
	switch shapeOf(rv.Type()) { //nolint:exhaustive // every other shape is a scalar
	case shapePointer:
		return d.pointer(n, rv, s)
	case shapeStruct:
		return d.mapping(n, rv, s, d.structKey(rv))
	case shapeMap:
		rv.Set(reflect.MakeMap(rv.Type()))
		return d.mapping(n, rv, s, d.mapKey(rv))
	case shapeList:
		return d.list(n, rv, s)
	default:
		return d.scalar(n, rv, s)
	}
}

// plainNode refuses what a node can be besides its value.
func (d *decoder) plainNode(n *yaml.Node, s spot) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		return d.fault(s, aliasHint, aliasMessage)
	case n.Anchor != "":
		return d.fault(s, aliasHint, "anchors are not supported")
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		return d.fault(s, "leave the tag out; a string that begins with ! needs quotes", "tags are not supported")
	}
	return true
}

func (d *decoder) pointer(n *yaml.Node, rv reflect.Value, s spot) bool {
	target := rv
	if rv.IsNil() {
		target = reflect.New(rv.Type().Elem())
	}
	ok := d.value(n, target.Elem(), s)
	rv.Set(target)
	return ok
}

func (d *decoder) list(n *yaml.Node, rv reflect.Value, s spot) bool {
	if n.Kind != yaml.SequenceNode {
		return d.wrongType(n, rv, s)
	}
	ok := true
	// Entries keep their index even if they cannot be decoded, so that the paths
	// of later checks stay right.
	out := reflect.MakeSlice(rv.Type(), len(n.Content), len(n.Content))
	for i, entry := range n.Content {
		if !d.value(entry, out.Index(i), s.index(i, place{entry.Line, entry.Column})) {
			ok = false
		}
	}
	rv.Set(out)
	return ok
}
