package ratelimit

import "testing"

func TestHostSource(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.7":                      "192.0.2.7",
		"::ffff:192.0.2.7":               "192.0.2.7",
		"::ffff:192.0.2.7%eth0":          "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":           "2001:db8:1:2::/64",
		"2001:db8:1:2::":                 "2001:db8:1:2::/64",
		"2001:0db8:0001:0002:0:0:0:0001": "2001:db8:1:2::/64",
		"2001:DB8:1:2::1":                "2001:db8:1:2::/64",
		"2001:db8:1:3::1":                "2001:db8:1:3::/64",
		"fe80::1%eth0":                   "fe80::/64",
		"fe80::2%eth1":                   "fe80::/64",
		"::1":                            "::/64",
		"64:ff9b::192.0.2.7":             "192.0.2.7", // NAT64
		"64:ff9b:1::192.0.2.7":           "64:ff9b:1::/64",
		"::192.0.2.7":                    "::/64", // IPv4-compatible, not IPv4-mapped
		"":                               "",
		"localhost":                      "localhost",
		"192.0.2.7:4222":                 "192.0.2.7:4222",
		"[2001:db8::1]":                  "[2001:db8::1]",
		"192.0.2.007":                    "192.0.2.007",
		"192.0.2.0/24":                   "192.0.2.0/24",
		"\x00\xff":                       "\x00\xff",
	} {
		if got := HostSource(host); got != want {
			t.Errorf("source of %q: %q, want %q", host, got, want)
		}
	}
}

// FuzzHostSource: HostSource is idempotent.
func FuzzHostSource(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "fe80::1%eth0", "::ffff:1.2.3.4%x", "", "localhost", "1.2.3.4:5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		source := HostSource(host)
		if again := HostSource(source); again != source {
			t.Errorf("source of %q: %q, and of that: %q", host, source, again)
		}
	})
}
