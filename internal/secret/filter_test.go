package secret_test

import (
	"strings"
	"testing"

	"usher/internal/secret"
)

const (
	hexKey = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789"
	token3 = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
	own    = "correct horse/battery"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"one line":                    "one line",
		"two\nlines":                  "two; lines",
		"a\tb\rc\x1b[2J\u202ed\u2028": "a b\ufffdc\ufffd[2J\ufffdd\ufffd",
	} {
		if got := secret.Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFilter(t *testing.T) {
	f := secret.NewFilter("", own)
	long := strings.Repeat("n ", 300)
	for text, want := range map[string]string{
		"":                          "",
		"nats.js":                   "nats.js",
		"a\nb\x00c\u202ed\xff":      "a\ufffdb\ufffdc\ufffdd\ufffd",
		own:                         secret.Hidden,
		`"` + own + `"`:             `"` + secret.Hidden + `"`,
		"x " + own[:9] + " y":       "x " + secret.Hidden + " y",
		"correct":                   "correct", // too short a part
		"my " + key:                 "my " + secret.Hidden,
		"my " + hexKey:              "my " + secret.Hidden,
		"my-" + hexKey + ".":        secret.Hidden + ".",
		"Bearer " + token3 + ", ok": "Bearer " + secret.Hidden + ", ok",
		long[:256]:                  long[:256],
		long[:257]:                  long[:256] + "…",
		long:                        long[:256] + "…",
		long[:250] + seed:           long[:250] + secret.Hidden[:6] + "…",
		strings.Repeat("a", 1000):   secret.Hidden + "…",
		long[:500] + seed:           long[:256] + "…",
	} {
		if got := f.Text(text, 256); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]bool{"": true, "nats.js": true, own: false, "battery": true, "/battery": false, key: false, hexKey: false, token3: false} {
		if f.Clean(text) != want {
			t.Errorf("Shows(%q) is %v", text, !want)
		}
	}
	for presented, hidden := range map[string]bool{"": false, "abc": false, "abcd": true} {
		if got := secret.NewFilter(presented).Text("x abcd y", 256); (got != "x abcd y") != hidden {
			t.Errorf("presented %q: %q", presented, got)
		}
	}
	if got := secret.NewFilter("abc").Text("abc", 256); got != secret.Hidden {
		t.Errorf("a short credential alone: %q", got)
	}
}

func TestAMSKeys(t *testing.T) {
	var found []string
	secret.AMSKeys("a "+hexKey+" and my-"+hexKey+", but not a"+hexKey+" nor "+hexKey[1:], func(key string) { found = append(found, key) })
	if len(found) != 2 || found[0] != hexKey || found[1] != hexKey {
		t.Errorf("found %q", found)
	}
}

// textsAround returns what Text left of a text, without what it put there itself: Hidden,
// which may be cut at the end, and "…".
func textsAround(got string) []string {
	parts := strings.Split(strings.TrimSuffix(got, "…"), secret.Hidden)
	last := &parts[len(parts)-1]
	for n := len(secret.Hidden); n > 0; n-- {
		if text, ok := strings.CutSuffix(*last, secret.Hidden[:n]); ok {
			*last = text
			break
		}
	}
	return parts
}

// FuzzFilter: no text around a presented credential makes Text show a part of it.
func FuzzFilter(f *testing.F) {
	f.Add("project=", own, "")
	f.Add("é", "ééééééééé", "é")
	f.Add(strings.Repeat("x ", 120), own, "\n")
	// Seven bytes of the credential are shown, and what stands beside them is not its.
	f.Add("0000000", "10000000\x00", "")
	f.Add(strings.Repeat("0", 44), "0000000[", "0")
	f.Add("", strings.Repeat("x", 57)+"0000000\xe2", strings.Repeat("y", 300))
	f.Fuzz(func(t *testing.T, before, presented, after string) {
		got := secret.NewFilter(presented).Text(before+presented+after, 64)
		if len(got) > 64+len("…") {
			t.Errorf("%d bytes are shown", len(got))
		}
		presented = presented[:min(len(presented), 16<<10)] // a Filter ignores the rest
		for _, shown := range textsAround(got) {
			for i := 0; i+8 <= len(presented); i++ {
				if part := presented[i : i+8]; strings.Contains(shown, part) {
					t.Errorf("%q of %q is shown in %q", part, presented, got)
				}
			}
		}
	})
}
