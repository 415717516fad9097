package apikey_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"usher/tokens/apikey"
)

func newKey(tb testing.TB) string {
	tb.Helper()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestNew(t *testing.T) {
	a, b := newKey(t), newKey(t)
	if a == b {
		t.Error("the same key twice")
	}
	for _, key := range []string{a, b} {
		if len(key) != apikey.Length || !strings.HasPrefix(key, apikey.Prefix) || apikey.Check(key) != nil {
			t.Errorf("%q: %v", key, apikey.Check(key))
		}
		if strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q is not URL-safe", key)
		}
	}
}

// The format of keys is stable: existing keys stay valid.
func TestGolden(t *testing.T) {
	key, err := apikey.New(bytes.NewReader(make([]byte, 32)))
	if want := "usher_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABsfVDA"; err != nil || key != want {
		t.Errorf("got %q, %v, want %q", key, err, want)
	}
}

func TestNewWithoutRandomness(t *testing.T) {
	errRandom := errors.New("no randomness")
	readers := map[string]io.Reader{
		"fails":     iotest.ErrReader(errRandom),
		"is empty":  strings.NewReader(""),
		"ends soon": bytes.NewReader(make([]byte, 31)),
		"fails late": io.MultiReader(
			bytes.NewReader(make([]byte, 31)), iotest.ErrReader(errRandom)),
	}
	for name, r := range readers {
		if key, err := apikey.New(r); err == nil || key != "" {
			t.Errorf("a reader that %s: got %q, %v", name, key, err)
		}
	}
	if _, err := apikey.New(iotest.OneByteReader(rand.Reader)); err != nil {
		t.Errorf("a slow reader: %v", err)
	}
}

// Check detects every single mistyped character.
func TestEveryChange(t *testing.T) {
	key := newKey(t)
	for i := len(apikey.Prefix); i < len(key); i++ {
		for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .\n\r\x00\xff") {
			if key[i] == c {
				continue
			}
			changed := key[:i] + string([]byte{c}) + key[i+1:]
			if err := apikey.Check(changed); !errors.Is(err, apikey.ErrMalformed) {
				t.Errorf("%q at %d: got %v", c, i, err)
			}
		}
		if i+1 < len(key) && key[i] != key[i+1] {
			swapped := key[:i] + string([]byte{key[i+1], key[i]}) + key[i+2:]
			if apikey.Check(swapped) == nil {
				t.Errorf("characters %d and %d swapped: passes", i, i+1)
			}
		}
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	key := newKey(t)
	for n := len(apikey.Prefix); n < len(key); n++ {
		if apikey.Check(key[:n]) == nil {
			t.Errorf("the first %d characters pass", n)
		}
	}
	for _, tail := range []string{"A", "=", "\n", " ", "\r\n", key} {
		if apikey.Check(key+tail) == nil {
			t.Errorf("the key and %q pass", tail)
		}
	}
	body := key[len(apikey.Prefix):]
	for _, changed := range []string{body[:24] + "\n" + body[24:], "\n" + body[1:], body[:47] + "\n"} {
		if apikey.Check(apikey.Prefix+changed) == nil {
			t.Errorf("%q passes", changed)
		}
	}
}

// Keys of other systems pass.
func TestOpaque(t *testing.T) {
	key := newKey(t)
	for _, token := range []string{"", "x", strings.Repeat("0123456789abcdef", 4), strings.ToUpper(key), " " + key, key[1:], "USHER_", "usher"} {
		if err := apikey.Check(token); err != nil {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// Check accepts exactly the keys that New can create.
func FuzzCheck(f *testing.F) {
	f.Add(newKey(f))
	f.Add("usher_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABsfVDA")
	f.Add("usher_")
	f.Add("usher_" + strings.Repeat("\n", 48))
	f.Add("other_AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		body, found := strings.CutPrefix(token, apikey.Prefix)
		err := apikey.Check(token)
		if !found {
			if err != nil {
				t.Fatalf("%q has not our prefix: %v", token, err)
			}
			return
		}
		raw, decodeErr := base64.RawURLEncoding.DecodeString(body)
		again := ""
		if decodeErr == nil && len(raw) >= 32 {
			if again, decodeErr = apikey.New(bytes.NewReader(raw)); decodeErr != nil {
				t.Fatal(decodeErr)
			}
		}
		if (err == nil) != (again == token) {
			t.Fatalf("%q: %v, but New creates %q", token, err, again)
		}
	})
}
