package phc_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"usher/internal/phc"
)

const (
	salt = "c29tZXNhbHRzb21lc2FsdA"
	sum  = "hx2bF5nWp4VAYZ0iUMSXwkdqL6Jlo6RsRnhCZeC9Tqg"
)

func hash(parameters string) string { return "$argon2id$v=19$" + parameters + "$" + salt + "$" + sum }

// TestCheck: the forms and limits of a hash.
//
// Attack: an imported password hash takes gigabytes or minutes at each login
// Held by: memory, passes, threads and cost of a hash are limited when the directory is loaded, and again when it is computed
func TestCheck(t *testing.T) {
	weakest, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cost := func(c string) string { return strings.Replace(string(weakest), "$04$", "$"+c+"$", 1) }
	for _, text := range []string{
		hash("m=19456,t=2,p=1"), hash("m=65536,t=3,p=4"), hash("m=102400,t=2,p=8"), hash("m=65536,t=4,p=1"), hash("m=1024,t=1,p=16"),
		string(weakest), cost("14"), strings.Replace(string(weakest), "$2a$", "$2b$", 1), strings.Replace(string(weakest), "$2a$", "$2y$", 1),
	} {
		if err := phc.Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	valid := hash("m=19456,t=2,p=1")
	for _, text := range []string{
		"", "secret", "$argon2id$", "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + sum, strings.Replace(valid, "v=19", "v=16", 1),
		hash("m=1048576,t=1,p=1"), hash("m=131072,t=3,p=1"), hash("m=4294967296,t=1,p=1"), hash("m=19456,t=0,p=1"), hash("m=19456,t=4294967295,p=1"),
		hash("m=19456,t=2,p=0"), hash("m=19456,t=2,p=17"), hash("m=64,t=2,p=1"), hash("t=2,m=19456,p=1"), hash("m=19456,t=2"), hash("m=+19456,t=2,p=1"),
		hash("m=019456,t=2,p=1"), hash("m=19456,t=2,p=1,data=x"), valid + "=", valid + "$", valid + "\n", strings.Replace(valid, salt, "c2FsdA", 1),
		strings.Replace(valid, sum, "aHg", 1), strings.Replace(valid, salt, "c29tZXNhb\nHRzb21lc2FsdA", 1), strings.Replace(valid, salt, salt[:21]+"B", 1),
		cost("03"), cost("15"), cost("31"), cost("xx"), string(weakest)[:59], string(weakest) + "A", string(weakest)[:59] + "!", "$2x$04$", "$2b$",
		strings.Repeat(valid, 10),
	} {
		err := phc.Check(text)
		if err == nil {
			t.Errorf("%q is accepted", text)
		} else if strings.Contains(err.Error(), sum) || strings.Contains(err.Error(), salt) {
			t.Errorf("the error quotes the hash: %v", err)
		}
	}
}

func TestArgon2id(t *testing.T) {
	a := phc.Argon2id{Memory: 1024, Passes: 1, Threads: 1, Salt: []byte("0123456789abcdef")}
	a.Sum = argon2.IDKey([]byte("secret"), a.Salt, a.Passes, a.Memory, a.Threads, 32)
	parsed, err := phc.Parse(a.String())
	if err != nil || parsed.String() != a.String() || string(parsed.Sum) != string(a.Sum) {
		t.Errorf("%v %v", parsed, err)
	}
}

func TestNew(t *testing.T) {
	text, err := phc.New("correct horse", rand.Reader)
	if err != nil || phc.Check(text) != nil || !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%s: %v", text, err)
	}
	again, err := phc.New("correct horse", rand.Reader)
	if err != nil || again == text {
		t.Errorf("%s: %v", again, err)
	}
	old, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{text, again, string(old)} {
		for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "": false, "correct horse ": false} {
			if got, err := phc.Matches(hash, password); err != nil || got != want {
				t.Errorf("%q: %v %v, want %v", password, got, err, want)
			}
		}
	}
	if _, err := phc.Matches(hash("m=1048576,t=1,p=1"), "x"); err == nil {
		t.Error("an expensive hash is computed")
	}
	for password, want := range map[string]error{"": phc.ErrNoPassword, strings.Repeat("a", phc.MaxPassword+1): phc.ErrLongPassword} {
		if _, err := phc.New(password, rand.Reader); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := phc.New("secret", strings.NewReader("short")); err == nil {
		t.Error("a salt that is too short")
	}
}

// FuzzCheck: what Parse accepts is within the limits, and is what String writes.
func FuzzCheck(f *testing.F) {
	f.Add(hash("m=19456,t=2,p=1"))
	f.Add("$2b$04$abcdefghijklmnopqrstuuqz5lPzXb6HZGcVcoeVZCBIpcsIFSCNe")
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		if phc.Check(text) != nil {
			return
		}
		if _, ok := phc.Bcrypt(text); ok {
			if cost, err := bcrypt.Cost([]byte(text)); err != nil || cost > phc.MaxCost {
				t.Fatalf("%q: cost %d, %v", text, cost, err)
			}
			return
		}
		a, err := phc.Parse(text)
		if err != nil || a.String() != text || a.Memory > phc.MaxMemory || uint64(a.Memory)*uint64(a.Passes) > phc.MaxFill || a.Threads > phc.MaxThreads {
			t.Fatalf("%q: %v, %v", text, a, err)
		}
	})
}
