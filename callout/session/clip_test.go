package session_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"usher/callout/session"
)

func TestClip(t *testing.T) {
	long := strings.Repeat("n", 127) + "é"
	for text, want := range map[string]string{
		"":                           "",
		"worker":                     "worker",
		"bad \xff name":              "bad ? name",
		strings.Repeat("n", 128):     strings.Repeat("n", 128),
		long:                         strings.Repeat("n", 125) + "…",
		strings.Repeat("é", 100):     strings.Repeat("é", 62) + "…",
		strings.Repeat("\xff", 4000): "…",
	} {
		got := session.Clip(text, session.MaxClientText)
		if got != want || len(got) > session.MaxClientText || !utf8.ValidString(got) {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("worker", 128)
	f.Add("\xff\xff\xffé", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 3 + max(limit, -limit)&0xff
		if got := session.Clip(text, limit); len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q to %d: %q", text, limit, got)
		}
	})
}
