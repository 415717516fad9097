package nearest_test

import (
	"strings"
	"testing"

	"usher/internal/nearest"
)

func TestTo(t *testing.T) {
	known := []string{"orders", "returns", "Ärger", "", "ab", "usher_events", strings.Repeat("x", 128)}
	for word, want := range map[string]string{
		"ordrs": "orders", "ORDERS": "orders", "odrers": "orders", "orders2": "orders", "retruns": "returns", "ärgen": "Ärger",
		"a": "ab", "order_book": "", "stock": "", "usher_event": "",
		strings.Repeat("x", 127): known[6], strings.Repeat("x", 129): "",
	} {
		got, ok := nearest.To(word, known)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", word, got, ok, want)
		}
	}
	if got, ok := nearest.To("bo", []string{"bob", "bod"}); !ok || got != "bob" {
		t.Errorf("got %q, want the first of two equally close words", got)
	}
}
