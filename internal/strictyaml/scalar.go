package strictyaml

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"usher/internal/secret"
)

// scalar decodes n into rv, which has the shape of a scalar.
func (d *decoder) scalar(n *yaml.Node, rv reflect.Value, l location) bool {
	if n.Kind != yaml.ScalarNode {
		return d.wrongType(n, rv, l)
	}
	switch shapeOf(rv.Type()) { //nolint:exhaustive // value handles the others
	case shapeString:
		return d.text(n, rv, l, func(text string) bool {
			rv.SetString(text)
			return true
		})
	case shapeText:
		return d.text(n, rv, l, func(text string) bool { return d.unmarshal(text, rv, l) })
	case shapeBool:
		return d.boolean(n, rv, l)
	case shapeInt, shapeUint:
		return d.integer(n, rv, l)
	case shapeFloat:
		return d.float(n, rv, l)
	case shapeDuration:
		return d.duration(n, rv, l)
	case shapeTime:
		return d.time(n, rv, l)
	case shapePrefix:
		return d.text(n, rv, l, func(text string) bool { return d.prefix(text, rv, l) })
	default:
		return d.wrongType(n, rv, l)
	}
}

// found describes n in a message: by its value, unless it is a secret.
func (l location) found(n *yaml.Node) string {
	if l.secret {
		return describe(n)
	}
	if decimal(n.Value) {
		return secret.Name(n.Value)
	}
	return secret.Quote(n.Value)
}

func quoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// unquoteHint returns the hint for a quoted value that must not be a string.
func unquoteHint(n *yaml.Node) string {
	if quoted(n) {
		return "leave the quotes out"
	}
	return ""
}

// text passes the string in n to set. It refuses a value that YAML reads as anything
// else, because readers of YAML differ in what text it stands for (010, 1e3, no).
func (d *decoder) text(n *yaml.Node, rv reflect.Value, l location, set func(string) bool) bool {
	if n.ShortTag() != "!!str" {
		return d.report(l, "quote it", "expected %s, found %s", nameOf(rv.Type()), describe(n))
	}
	return set(n.Value)
}

func (d *decoder) unmarshal(text string, rv reflect.Value, l location) bool {
	u, ok := rv.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		return d.report(l, "", "strictyaml: %s is not an encoding.TextUnmarshaler", rv.Type())
	}
	err := u.UnmarshalText([]byte(text))
	switch {
	case err == nil:
		return true
	case l.secret:
		return d.report(l, "", "is not a valid value") // err may quote the value
	default:
		return d.report(l, hintOf(err), "%v", err)
	}
}

func (d *decoder) boolean(n *yaml.Node, rv reflect.Value, l location) bool {
	if n.ShortTag() == "!!bool" || n.ShortTag() == "!!str" && !quoted(n) {
		hint := ""
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on", "y":
			hint = "write true"
		case "false", "no", "off", "n":
			hint = "write false"
		}
		if n.Value == "true" || n.Value == "false" {
			rv.SetBool(n.Value == "true")
			return true
		}
		return d.report(l, hint, "expected true or false, found %s", l.found(n))
	}
	return d.report(l, unquoteHint(n), "expected true or false, found %s", describe(n))
}

// integer accepts plain decimals only: readers of YAML differ in how they read
// octal, hexadecimal and underscores.
func (d *decoder) integer(n *yaml.Node, rv reflect.Value, l location) bool {
	if quoted(n) || !decimal(n.Value) {
		hint := unquoteHint(n)
		if n.ShortTag() == "!!int" {
			hint = "write it in plain decimal digits"
		}
		found := describe(n)
		if n.ShortTag() == "!!int" {
			found = l.found(n)
		}
		return d.report(l, hint, "expected %s, found %s", nameOf(rv.Type()), found)
	}
	if shapeOf(rv.Type()) == shapeUint {
		u, err := strconv.ParseUint(n.Value, 10, rv.Type().Bits())
		if err != nil {
			return d.report(l, "", "expected an integer from 0 to %d, found %s",
				uint64(math.MaxUint64)>>(64-rv.Type().Bits()), l.found(n))
		}
		rv.SetUint(u)
		return true
	}
	i, err := strconv.ParseInt(n.Value, 10, rv.Type().Bits())
	if err != nil {
		limit := int64(math.MaxInt64) >> (64 - rv.Type().Bits())
		return d.report(l, "", "expected an integer from %d to %d, found %s", -limit-1, limit, l.found(n))
	}
	rv.SetInt(i)
	return true
}

// decimal reports whether text is a decimal integer without leading zeros.
func decimal(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == "" && (digits[0] != '0' || text == "0")
}

func (d *decoder) float(n *yaml.Node, rv reflect.Value, l location) bool {
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" {
		return d.report(l, unquoteHint(n), "expected a number, found %s", describe(n))
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || n.ShortTag() == "!!int" && !decimal(n.Value) || math.IsInf(f, 0) || math.IsNaN(f) {
		return d.report(l, "", "expected a finite decimal number, found %s", l.found(n))
	}
	rv.SetFloat(f)
	return true
}
