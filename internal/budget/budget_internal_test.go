package budget

import (
	"testing"

	"github.com/google/uuid"
)

func TestShares(t *testing.T) {
	m := New(1000)
	a, b := m.For(uuid.UUID{1}), m.For(uuid.UUID{2})
	for _, tt := range []struct {
		r    *Reservation
		n    int64
		want bool
	}{
		{a, 501, false}, {a, 500, true}, {a, 1, false}, {b, 251, false}, {b, 250, true}, {b, 1, false},
	} {
		if got := tt.r.Grow(tt.n); got != tt.want {
			t.Errorf("%d more beside %d: %t", tt.n, tt.r.size, got)
		}
	}
	a.Shrink(100)
	if !b.Grow(200) || b.Grow(1) {
		t.Error("what a has given back is not there, or too much is")
	}
	if n := m.For(uuid.UUID{3}).GrowBetween(1, 1000, 2); n != 112 {
		t.Errorf("a part is %d", n)
	}
	a.Release()
	b.Release()
	if m.used != 112 || len(m.shares) != 1 {
		t.Errorf("%d are in use by %d projects", m.used, len(m.shares))
	}
}

// BenchmarkParsePublish reads 100 messages of 1 KiB.
