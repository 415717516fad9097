package strictyaml

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v4"

	"usher/internal/secret"
)

// maxErrors bounds the number of errors that Decode reports for one document.
const maxErrors = 1000

const (
	aliasMessage = "aliases are not supported"
	aliasHint    = "spell the value out; a string that begins with * or & needs quotes"
)

// Decode decodes the one document in data into the value that v points to. file is
// only used in errors; Decode does not read it. The error is of type Errors, sorted
// by line. Everything without an error is filled in nonetheless, and the Source is
// never nil.
//
// Structs name their keys with the tag `yaml:"name"`; "-" leaves a field out. The keys of
// an embedded struct without a tag are those of the struct that it is in.
// Further tags: `required:"true"` demands that the key is present and not empty,
// `nonempty:"true"` that it is not empty if present, `secret:"true"` keeps values
// out of messages. A key that the document does not have leaves its field as it
// was, so set defaults before the call; lists and maps are replaced as a whole. An
// empty document counts as a mapping without keys.
//
// Fields may be strings, booleans, integers, float64, time.Duration ("1.5s"),
// time.Time (RFC 3339), netip.Prefix (a bare address is a prefix of full length),
// any encoding.TextUnmarshaler, and structs, pointers, slices and maps with string
// keys of these. A field of type any takes what the document has: a string, a boolean, an
// int64, a float64, []any or map[string]any. Any other type in v is an error, whatever the document holds.
func Decode(file string, data []byte, v any) (*Source, error) {
	d := &decoder{
		src: &Source{
			file:       file,
			positions:  map[string]position{"": {1, 1}},
			misspelled: map[string]bool{},
		},
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return d.src, Errors{{File: file, Message: "strictyaml: the target is not a pointer to a value"}}
	}
	var err error
	if d.schemas, err = schemasOf(rv.Type()); err != nil {
		return d.src, Errors{{File: file, Message: "strictyaml: " + err.Error()}}
	}
	root, errs := compose(file, data)
	d.errs = errs
	if root == nil || isEmptyDocument(root) {
		// A file that cannot be read has no missing keys.
		if root != nil || len(errs) == 0 {
			d.emptyDocument(rv.Elem())
		}
	} else {
		d.value(root, rv.Elem(), location{pos: position{root.Line, root.Column}})
	}
	if len(d.errs) == 0 {
		return d.src, nil
	}
	d.errs.Sort()
	return d.src, d.errs
}

// decoder holds the state of one call of Decode.
type decoder struct {
	src     *Source
	errs    Errors
	schemas schemas
}

// location is where in the document the decoder is.
type location struct {
	path   string
	pos    position // of the value; of its key if the value is not a scalar
	depth  int
	secret bool
}

func (l location) key(key string, pos position, secret bool) location {
	return location{path: KeyPath(l.path, key), pos: pos, depth: l.depth + 1, secret: l.secret || secret}
}

func (l location) index(i int, pos position) location {
	return location{path: IndexPath(l.path, i), pos: pos, depth: l.depth + 1, secret: l.secret}
}

// report records an error at l and returns false, the result of a failed decode.
func (d *decoder) report(l location, hint, format string, args ...any) bool {
	e := Error{
		File: d.src.file, Line: l.pos.line, Column: l.pos.column,
		Path: secret.Redact(l.path), Message: secret.Redact(fmt.Sprintf(format, args...)), Hint: secret.Redact(hint),
	}
	switch {
	case len(d.errs) < maxErrors:
		d.errs = append(d.errs, e)
	case len(d.errs) == maxErrors:
		e.Path, e.Message, e.Hint = "", fmt.Sprintf("more than %d errors; the rest are not shown", maxErrors), ""
		d.errs = append(d.errs, e)
	}
	return false
}

func isEmptyDocument(root *yaml.Node) bool {
	return root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Value == "" && root.Anchor == "" &&
		root.Style&yaml.TaggedStyle == 0
}

// emptyDocument reports the required keys that a document without content lacks.
func (d *decoder) emptyDocument(rv reflect.Value) {
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if s, ok := d.schemas[rv.Type()]; ok {
		d.missing(s, nil, location{pos: position{1, 1}})
	}
}

// value decodes n into rv and reports whether it found no error in n.
func (d *decoder) value(n *yaml.Node, rv reflect.Value, l location) bool {
	d.src.positions[l.path] = l.pos
	if l.depth > MaxDepth {
		return d.report(l, "", "nested more than %d levels deep", MaxDepth)
	}
	if !d.checkNode(n, l) {
		return false
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		hint := "leave the key out, or give it a value"
		if shape := shapeOf(rv.Type()); shape == shapeList || shape == shapeMap {
			hint = "leave the key out, or write [] or {} for an empty one"
		}
		return d.report(l, hint, "expected %s, found null", nameOf(rv.Type()))
	}
	switch shapeOf(rv.Type()) { //nolint:exhaustive // every other shape is a scalar
	case shapePointer:
		return d.pointer(n, rv, l)
	case shapeStruct:
		return d.mapping(n, rv, l, d.fieldDecoder(rv))
	case shapeMap:
		rv.Set(reflect.MakeMap(rv.Type()))
		return d.mapping(n, rv, l, d.entryDecoder(rv))
	case shapeList:
		return d.list(n, rv, l)
	case shapeAny:
		return d.anything(n, rv, l)
	default:
		return d.scalar(n, rv, l)
	}
}

// checkNode refuses aliases, anchors and tags.
func (d *decoder) checkNode(n *yaml.Node, l location) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		return d.report(l, aliasHint, aliasMessage)
	case n.Anchor != "":
		return d.report(l, aliasHint, "anchors are not supported")
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		return d.report(l, "leave the tag out; a string that begins with ! needs quotes", "tags are not supported")
	}
	return true
}

func (d *decoder) pointer(n *yaml.Node, rv reflect.Value, l location) bool {
	target := rv
	if rv.IsNil() {
		target = reflect.New(rv.Type().Elem())
	}
	ok := d.value(n, target.Elem(), l)
	rv.Set(target)
	return ok
}

func (d *decoder) list(n *yaml.Node, rv reflect.Value, l location) bool {
	if n.Kind != yaml.SequenceNode {
		return d.wrongType(n, rv, l)
	}
	ok := true
	// Entries keep their index even if they cannot be decoded, so that the paths
	// of later checks stay right.
	out := reflect.MakeSlice(rv.Type(), len(n.Content), len(n.Content))
	for i, entry := range n.Content {
		if !d.value(entry, out.Index(i), l.index(i, position{entry.Line, entry.Column})) {
			ok = false
		}
	}
	rv.Set(out)
	return ok
}
