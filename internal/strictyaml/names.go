package strictyaml

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// names returns the name of a value of shape s, and of several in a list.
func (s shape) names() (one, many string) {
	switch s {
	case shapeString, shapeText:
		return "a string", "strings"
	case shapeBool:
		return "true or false", "booleans"
	case shapeInt:
		return "an integer", "integers"
	case shapeUint:
		return "a non-negative integer", "non-negative integers"
	case shapeFloat:
		return "a number", "numbers"
	case shapeDuration:
		return `a duration such as 1.5s`, "durations"
	case shapeTime:
		return "an RFC 3339 time such as 2026-01-31T00:00:00Z", "RFC 3339 times"
	case shapePrefix:
		return "a network such as 10.0.0.0/8", "networks"
	case shapeStruct, shapeMap:
		return "a mapping", "mappings"
	case shapeList:
		return "a list", "lists"
	case shapePointer, shapeAny, shapeNone:
	}
	return "a value", "values"
}

// nameOf returns the name of the document value that t is decoded from.
func nameOf(t reflect.Type) string {
	t = pointee(t)
	one, _ := shapeOf(t).names()
	if shapeOf(t) == shapeList {
		_, many := shapeOf(pointee(t.Elem())).names()
		one += " of " + many
	}
	return one
}

func pointee(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// describe returns the type of n, without its value.
func describe(n *yaml.Node) string {
	switch n.Kind { //nolint:exhaustive // no value is a document or a stream
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!str":
		return "a string"
	case "!!int":
		return "an integer"
	case "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!timestamp":
		return "a time"
	case "!!null":
		return "null"
	case "!!merge":
		return "a merge key"
	default:
		return "a value"
	}
}

// wrongType reports that n is not of the type of rv.
func (d *decoder) wrongType(n *yaml.Node, rv reflect.Value, l location) bool {
	hint := ""
	if shapeOf(rv.Type()) == shapeList && n.Kind == yaml.ScalarNode {
		hint = "put it in brackets for a list of one"
	} else if shapeOf(rv.Type()) == shapeList && n.Kind == yaml.MappingNode && shapeOf(rv.Type().Elem()) == shapeStruct {
		hint = "begin each entry of the list with a dash: - "
	}
	return d.report(l, hint, "expected %s, found %s", nameOf(rv.Type()), describe(n))
}
