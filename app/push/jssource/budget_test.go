package jssource_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/push"
	"usher/callout/callouttest"
)

// Large messages that an endpoint does not take fill no memory, and all are pushed later.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	const (
		count = 48
		size  = 900_000
	)
	h := newHarness(t)
	data := []byte(strings.Repeat("x", size))
	for range count {
		_, err := h.js.Publish(t.Context(), "P.T", data)
		callouttest.Must(t, err)
	}
	s := h.source(h.js)
	var open []push.Message // by requests that hang
	next := func() int {
		t.Helper()
		m, err := s.Next(t.Context(), 10_000)
		callouttest.Must(t, err)
		open = append(open, m...)
		sum := 0
		for i := range m {
			sum += len(m[i].Data)
		}
		if sum > 2<<20 {
			t.Errorf("%d bytes at once", sum)
		}
		return len(m)
	}
	for range 3 {
		next()
	}
	info := func() *jetstream.ConsumerInfo {
		c, err := h.js.Consumer(t.Context(), "P", "S")
		callouttest.Must(t, err)
		return c.CachedInfo()
	}
	// It asks for no more, so what is out stays as it is.
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		if own, all := s.Bytes(); own != all || own > 16<<20 || info().NumAckPending > 16 {
			t.Fatalf("holds %d of %d bytes, %d messages are out", own, all, info().NumAckPending)
		}
	}
	got := len(open)
	for got < count {
		callouttest.Must(t, s.Acknowledge(t.Context(), open))
		open = nil
		got += next()
	}
	callouttest.Must(t, s.Acknowledge(t.Context(), open))
	h.eventuallyAcked(count)
	if own, all := s.Bytes(); own != 0 || all != 0 {
		t.Errorf("%d and %d bytes are held", own, all)
	}
}
