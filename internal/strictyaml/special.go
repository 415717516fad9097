package strictyaml

import (
	"net/netip"
	"reflect"
	"time"

	"go.yaml.in/yaml/v4"

	"usher/internal/secret"
)

// anything decodes n into a value of the type that n has.
func (d *decoder) anything(n *yaml.Node, rv reflect.Value, l location) bool {
	var t reflect.Type
	switch n.Kind { //nolint:exhaustive // no value is a document or a stream, and checkNode refuses aliases
	case yaml.MappingNode:
		t = reflect.TypeFor[map[string]any]()
	case yaml.SequenceNode:
		t = reflect.TypeFor[[]any]()
	default:
		switch n.ShortTag() {
		case "!!bool":
			t = reflect.TypeFor[bool]()
		case "!!int":
			t = reflect.TypeFor[int64]()
		case "!!float":
			t = reflect.TypeFor[float64]()
		default: // text refuses what is no string, such as a time
			t = reflect.TypeFor[string]()
		}
	}
	v := reflect.New(t).Elem()
	ok := d.value(n, v, l)
	rv.Set(v)
	return ok
}

func (d *decoder) duration(n *yaml.Node, rv reflect.Value, l location) bool {
	const units = "the units are ns, us, ms, s, m and h; a day is 24h"
	tag := n.ShortTag()
	if number := tag == "!!int" || tag == "!!float"; number && n.Value != "0" || !number && tag != "!!str" {
		hint := ""
		if number {
			hint = "write the unit: " + units
		}
		return d.report(l, hint, "expected %s, found %s", nameOf(rv.Type()), describe(n))
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return d.report(l, units, "expected %s, found %s", nameOf(rv.Type()), l.found(n))
	}
	rv.SetInt(int64(v))
	return true
}

func (d *decoder) time(n *yaml.Node, rv reflect.Value, l location) bool {
	if tag := n.ShortTag(); tag != "!!timestamp" && tag != "!!str" {
		return d.report(l, "", "expected %s, found %s", nameOf(rv.Type()), describe(n))
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(n.Value)); err != nil {
		return d.report(l, "write date, time and offset, with a T between date and time",
			"expected %s, found %s", nameOf(rv.Type()), l.found(n))
	}
	if t.IsZero() {
		// Programs take the zero time for "none": a key that expired in year 1 would never expire.
		return d.report(l, "leave the key out if there is no such time", "the zero time (start of year 1) is not allowed")
	}
	rv.Set(reflect.ValueOf(t))
	return true
}

// prefix accepts a network whose host bits are zero, or a single address.
func (d *decoder) prefix(text string, rv reflect.Value, l location) bool {
	hint := func(h string) string {
		if l.secret {
			return ""
		}
		return h
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		addr, errAddr := netip.ParseAddr(text)
		if errAddr != nil || addr.Zone() != "" {
			found := "a string"
			if !l.secret {
				found = secret.Quote(text)
			}
			return d.report(l, "", "expected %s, found %s", nameOf(rv.Type()), found)
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	found := "a string"
	if !l.secret {
		found = secret.Name(text) // a network is no secret, so show it whole
	}
	if p.Addr().Is4In6() {
		// An IPv4 address would never match it.
		unmapped := netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 0)).Masked()
		return d.report(l, hint("did you mean "+unmapped.String()+"?"), "%s is IPv4 written as IPv6", found)
	}
	if p.Masked() != p {
		return d.report(l, hint("did you mean "+p.Masked().String()+"?"), "%s has bits set beyond its prefix length", found)
	}
	rv.Set(reflect.ValueOf(p))
	return true
}
