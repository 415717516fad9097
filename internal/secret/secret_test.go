package secret_test

import (
	"strings"
	"testing"

	"usher/internal/secret"
)

// Made up, in the form of real ones.
const (
	key   = "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI-_"
	token = "HEALTHCHECK-0123456789abcdefghijklmnopqrstuvwxyz"
	seed  = "SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
)

func TestSuspect(t *testing.T) {
	for _, text := range []string{
		key, token, seed, "usher_", "HEALTHCHECK-", " \t" + seed + "\n", seed[:50], seed + "!",
		"SO" + seed[2:], "SA" + seed[2:], "SN" + seed[2:], "SC" + seed[2:], "SX" + seed[2:],
	} {
		if !secret.Suspect(text) {
			t.Errorf("%q is not suspected", text)
		}
	}
	for _, text := range []string{
		"", "S", "usher", "usher-demo", "USHER_" + key[6:], "healthcheck-x", "x" + key, "AA" + seed[2:], "SZ" + seed[2:],
		seed[:49], strings.ToLower(seed), seed[:20] + "0" + seed[21:], "$SYS", "alice",
	} {
		if secret.Suspect(text) {
			t.Errorf("%q is suspected", text)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, text := range []string{key, token, seed, "/x/" + seed, "nats://" + key + "@h", "sha256:" + key, "a\n" + seed, "é" + key, "x" + key, "my-" + key, "my_" + token, "my-" + seed, "a1" + seed} {
		if !secret.Detect(text) {
			t.Errorf("no secret detected in %q", text)
		}
	}
	for _, text := range []string{"", "usher_events", "/etc/usher_keys", "HEALTHCHECK-1", "/var/lib/" + strings.Repeat("a", 60), "my-usher_events", "A" + seed, "the-usher_events_of_everybody"} {
		if secret.Detect(text) {
			t.Errorf("secret detected in %q", text)
		}
	}
}

func TestQuote(t *testing.T) {
	forty := strings.Repeat("é", 40)
	for _, tt := range []struct{ text, quote, name string }{
		{"", `""`, `""`},
		{"alice", `"alice"`, `"alice"`},
		{"a\n\"b", `"a\n\"b"`, `"a\n\"b"`},
		{"123456789012", `"123456789012"`, `"123456789012"`},
		{"1234567890123", `"123456789012…"`, `"1234567890123"`},
		{forty, `"` + strings.Repeat("é", 12) + `…"`, `"` + forty + `"`},
		{forty + "é", `"` + strings.Repeat("é", 12) + `…"`, `"` + strings.Repeat("é", 12) + `…"`},
		{key, secret.Hidden, secret.Hidden},
		{" " + token, secret.Hidden, secret.Hidden},
		{"/x/" + seed, secret.Hidden, secret.Hidden},
		{"nats://usher_x@h", secret.Hidden, secret.Hidden},
		{"usher_events", secret.Hidden, secret.Hidden},
	} {
		if got := secret.Quote(tt.text); got != tt.quote {
			t.Errorf("Quote(%q) = %s, want %s", tt.text, got, tt.quote)
		}
		if got := secret.Name(tt.text); got != tt.name {
			t.Errorf("Name(%q) = %s, want %s", tt.text, got, tt.name)
		}
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"nothing to hide":              "nothing to hide",
		"open /x/" + seed + ": absent": "open /x/" + secret.Hidden + ": absent",
		key + " " + token:              secret.Hidden + " " + secret.Hidden,
		"my-" + key + " x":             secret.Hidden + " x",
		`labels["` + key + `"].x`:      `labels["` + secret.Hidden + `"].x`,
	} {
		if got := secret.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzShown: no text around a secret makes Quote, Name or Redact show it.
//
// Attack: a secret in the wrong place of a file or a request is quoted in an error
// Held by: what looks like a secret is hidden, whatever the text around it
func FuzzShown(f *testing.F) {
	f.Add("", "")
	f.Add("/x/", ".yaml")
	f.Add("nats://", "@h:4222")
	f.Add("\xff", "\x00")
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, s := range []string{key, token, seed} {
			text := before + "/" + s + "/" + after
			for _, got := range []string{secret.Quote(text), secret.Name(text), secret.Redact(text)} {
				if strings.Contains(got, s) {
					t.Errorf("%q shows %q", got, s)
				}
			}
			if !secret.Detect(text) {
				t.Errorf("no secret detected in %q", text)
			}
		}
	})
}
