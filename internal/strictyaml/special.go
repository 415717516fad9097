package strictyaml

import (
	"net/netip"
	"reflect"
	"time"

	"go.yaml.in/yaml/v4"

	"usher/internal/secret"
)

func (d *decoder) duration(n *yaml.Node, rv reflect.Value, s spot) bool {
	const units = "the units are ns, us, ms, s, m and h; a day is 24h"
	tag := n.ShortTag()
	if number := tag == "!!int" || tag == "!!float"; number && n.Value != "0" || !number && tag != "!!str" {
		hint := ""
		if number {
			hint = "write the unit: " + units
		}
		return d.fault(s, hint, "expected %s, found %s", nameOf(rv.Type()), foundName(n))
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return d.fault(s, units, "expected %s, found %s", nameOf(rv.Type()), s.found(n))
	}
	rv.SetInt(int64(v))
	return true
}

func (d *decoder) time(n *yaml.Node, rv reflect.Value, s spot) bool {
	if tag := n.ShortTag(); tag != "!!timestamp" && tag != "!!str" {
		return d.fault(s, "", "expected %s, found %s", nameOf(rv.Type()), foundName(n))
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(n.Value)); err != nil {
		return d.fault(s, "write date, time and offset, with a T between date and time",
			"expected %s, found %s", nameOf(rv.Type()), s.found(n))
	}
	if t.IsZero() {
		// Programs read the zero time as "none": a key that expired in year 1 would never expire.
		return d.fault(s, "leave the key out if there is no such time", "the first moment of year 1 is not a time to use")
	}
	rv.Set(reflect.ValueOf(t))
	return true
}

// prefix accepts a network whose host bits are zero, or a single address.
func (d *decoder) prefix(text string, rv reflect.Value, s spot) bool {
	hint := func(h string) string {
		if s.secret {
			return ""
		}
		return h
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		addr, errAddr := netip.ParseAddr(text)
		if errAddr != nil || addr.Zone() != "" {
			found := "a string"
			if !s.secret {
				found = secret.Quote(text)
			}
			return d.fault(s, "", "expected %s, found %s", nameOf(rv.Type()), found)
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	found := "a string"
	if !s.secret {
		found = secret.Name(text) // it is a network
	}
	if p.Addr().Is4In6() {
		// No IPv4 address would ever be found in it.
		unmapped := netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 0)).Masked()
		return d.fault(s, hint("did you mean "+unmapped.String()+"?"), "%s is IPv4 written as IPv6", found)
	}
	if p.Masked() != p {
		return d.fault(s, hint("did you mean "+p.Masked().String()+"?"), "%s has bits set beyond its prefix length", found)
	}
	rv.Set(reflect.ValueOf(p))
	return true
}
