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

// scalar decodes n into rv, whose shape is that of a scalar.
func (d *decoder) scalar(n *yaml.Node, rv reflect.Value, s spot) bool {
	if n.Kind != yaml.ScalarNode {
		return d.wrongType(n, rv, s)
	}
	switch shapeOf(rv.Type()) { //nolint:exhaustive // value has dealt with the others
	case shapeString:
		return d.text(n, rv, s, func(text string) bool {
			rv.SetString(text)
			return true
		})
	case shapeText:
		return d.text(n, rv, s, func(text string) bool { return d.unmarshal(text, rv, s) })
	case shapeBool:
		return d.boolean(n, rv, s)
	case shapeInt, shapeUint:
		return d.integer(n, rv, s)
	case shapeFloat:
		return d.float(n, rv, s)
	case shapeDuration:
		return d.duration(n, rv, s)
	case shapeTime:
		return d.time(n, rv, s)
	case shapePrefix:
		return d.text(n, rv, s, func(text string) bool { return d.prefix(text, rv, s) })
	default:
		return d.wrongType(n, rv, s)
	}
}

// found returns what stands there: its value, if that may be said.
func (s spot) found(n *yaml.Node) string {
	if s.secret {
		return foundName(n)
	}
	if decimal(n.Value) {
		return secret.Name(n.Value)
	}
	return secret.Quote(n.Value)
}

func quoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// unquoteHint is the way out where a string stands for something else.
func unquoteHint(n *yaml.Node) string {
	if quoted(n) {
		return "leave the quotes out"
	}
	return ""
}

// text hands the string n to set. What YAML reads as anything else is refused,
// because it may not mean the text that stands there (010, 1e3, no).
func (d *decoder) text(n *yaml.Node, rv reflect.Value, s spot, set func(string) bool) bool {
	if n.ShortTag() != "!!str" {
		return d.fault(s, "quote it", "expected %s, found %s", nameOf(rv.Type()), foundName(n))
	}
	return set(n.Value)
}

func (d *decoder) unmarshal(text string, rv reflect.Value, s spot) bool {
	u, ok := rv.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		return d.fault(s, "", "strictyaml: %s is no encoding.TextUnmarshaler", rv.Type())
	}
	err := u.UnmarshalText([]byte(text))
	switch {
	case err == nil:
		return true
	case s.secret:
		return d.fault(s, "", "is not a valid value") // what err says may quote it
	default:
		return d.fault(s, hintOf(err), "%v", err)
	}
}

func (d *decoder) boolean(n *yaml.Node, rv reflect.Value, s spot) bool {
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
		return d.fault(s, hint, "expected true or false, found %s", s.found(n))
	}
	return d.fault(s, unquoteHint(n), "expected true or false, found %s", foundName(n))
}

// integer accepts plain decimals. Octal, hexadecimal and underscores are read
// in different ways by different readers of YAML.
func (d *decoder) integer(n *yaml.Node, rv reflect.Value, s spot) bool {
	if quoted(n) || !decimal(n.Value) {
		hint := unquoteHint(n)
		if n.ShortTag() == "!!int" {
			hint = "write it in plain decimal digits"
		}
		found := foundName(n)
		if n.ShortTag() == "!!int" {
			found = s.found(n)
		}
		return d.fault(s, hint, "expected %s, found %s", nameOf(rv.Type()), found)
	}
	if shapeOf(rv.Type()) == shapeUint {
		u, err := strconv.ParseUint(n.Value, 10, rv.Type().Bits())
		if err != nil {
			return d.fault(s, "", "expected a whole number from 0 to %d, found %s",
				uint64(math.MaxUint64)>>(64-rv.Type().Bits()), s.found(n))
		}
		rv.SetUint(u)
		return true
	}
	i, err := strconv.ParseInt(n.Value, 10, rv.Type().Bits())
	if err != nil {
		limit := int64(math.MaxInt64) >> (64 - rv.Type().Bits())
		return d.fault(s, "", "expected an integer from %d to %d, found %s", -limit-1, limit, s.found(n))
	}
	rv.SetInt(i)
	return true
}

// decimal reports whether text is digits without a leading zero, maybe negative.
func decimal(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == "" && (digits[0] != '0' || text == "0")
}

func (d *decoder) float(n *yaml.Node, rv reflect.Value, s spot) bool {
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" {
		return d.fault(s, unquoteHint(n), "expected a number, found %s", foundName(n))
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || n.ShortTag() == "!!int" && !decimal(n.Value) || math.IsInf(f, 0) || math.IsNaN(f) {
		return d.fault(s, "", "expected a finite decimal number, found %s", s.found(n))
	}
	rv.SetFloat(f)
	return true
}
