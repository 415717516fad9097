package ratelimit

import (
	"net/netip"
	"testing"
)

func TestLast(t *testing.T) {
	l := NewLast()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i, tt := range []struct {
		source netip.Addr
		secret string
		want   bool
	}{{a, "x", true}, {a, "x", false}, {b, "x", true}, {a, "y", true}, {a, "y", false}, {a, "x", true}} {
		if got := l.Note(tt.source, tt.secret); got != tt.want {
			t.Errorf("%d: %t", i, got)
		}
	}
}
