package sessions

import (
	"net/netip"
	"testing"
)

// The addresses of clients are IPv4, however the server writes them.
func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7/32",
		"::ffff:192.0.2.7":     "192.0.2.7/32",
		"192.0.2.7/24":         "192.0.2.0/24",
		"::ffff:192.0.2.0/120": "192.0.2.0/24",
		"::ffff:192.0.2.0/96":  "0.0.0.0/0",
		"::ffff:192.0.2.0/90":  "",
		"2001:db8::1/32":       "2001:db8::/32",
		"fe80::1%eth0":         "",
		"192.0.2.0/33":         "",
		"shop":                 "",
	} {
		p, ok := parseNetwork(text)
		if ok != (want != "") || ok && p != netip.MustParsePrefix(want) {
			t.Errorf("%s: %s, %t, want %q", text, p, ok, want)
		}
	}
}
