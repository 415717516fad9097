package demo

import (
	"strings"
	"testing"

	"usher/callout/callouttest"
)

// TestHeldWriter: the writer buffers up to maxHeld, then writes everything.
func TestHeldWriter(t *testing.T) {
	var out callouttest.Buffer
	h := NewHeldWriter(&out)
	line := strings.Repeat("x", 1000)
	for range maxHeld / 1000 {
		_, err := h.Write([]byte(line))
		callouttest.Must(t, err)
	}
	if out.String() != "" {
		t.Error("the output was not buffered")
	}
	for range 2 {
		_, err := h.Write([]byte(line))
		callouttest.Must(t, err)
	}
	callouttest.Must(t, h.Release())
	if got, want := len(out.String()), (maxHeld/1000+2)*1000; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}
