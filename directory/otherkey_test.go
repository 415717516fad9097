package directory_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"usher/directory"
)

const (
	subject = `E=x@y.z,SERIALNUMBER=77,CN=host/a.b,OU=u1+OU=u2,O=A\, Inc,L=Ath,C=GR,DC=gr+DC=grnet` // the example of AMS
	hash    = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hx2bF5nWp4VAYZ0iUMSXwkdqL6Jlo6RsRnhCZeC9Tqg"
)

func publicNKey(t *testing.T, create func() (nkeys.KeyPair, error)) (public, seed string) {
	t.Helper()
	k, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err = k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return public, string(text)
}

func TestCheckKey(t *testing.T) {
	id := uuid.UUID{1}
	nkey, seed := publicNKey(t, nkeys.CreateUser)
	account, _ := publicNKey(t, nkeys.CreateAccount)
	for _, tt := range []struct {
		name string
		key  directory.OtherKey
		want string // path and message of the first problem
	}{
		{"an nkey", directory.OtherKey{Kind: directory.KeyNKey, NKey: nkey}, ""},
		{"a password", directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: hash}, ""},
		{"a certificate", directory.OtherKey{Kind: directory.KeyCertificate, DN: subject}, ""},
		{"a binding", directory.OtherKey{Kind: directory.KeyBinding, DN: subject, ServiceType: "ams", Host: "ams.example.org"}, ""},

		{"no kind", directory.OtherKey{NKey: nkey}, "kind: is not a field of such a key"},
		{"kind apikey", directory.OtherKey{Kind: directory.KeyAPI}, "kind: is not a field of such a key"},
		{"an unknown kind", directory.OtherKey{Kind: "token"}, "kind: is not a field of such a key"},
		{"an nkey with a password", directory.OtherKey{Kind: directory.KeyNKey, NKey: nkey, PasswordHash: hash}, "password_hash: is not a field of such a key"},
		{"a password with an nkey", directory.OtherKey{Kind: directory.KeyPassword, NKey: nkey, PasswordHash: hash}, "nkey: is not a field of such a key"},
		{"a password with a subject", directory.OtherKey{Kind: directory.KeyPassword, DN: subject, PasswordHash: hash}, "dn: is not a field of such a key"},
		{"a certificate with a host", directory.OtherKey{Kind: directory.KeyCertificate, DN: subject, Host: "a"}, "host: is not a field of such a key"},
		{"a certificate with a service type", directory.OtherKey{Kind: directory.KeyCertificate, DN: subject, ServiceType: "a"}, "service_type: is not a field of such a key"},

		{"no nkey", directory.OtherKey{Kind: directory.KeyNKey}, `nkey: "" is not the public nkey of a user`},
		{"a seed", directory.OtherKey{Kind: directory.KeyNKey, NKey: seed}, "nkey: looks like a secret, found where a name belongs"},
		{"the nkey of an account", directory.OtherKey{Kind: directory.KeyNKey, NKey: account}, "nkey: "},
		{"a mistyped nkey", directory.OtherKey{Kind: directory.KeyNKey, NKey: nkey[:len(nkey)-1]}, "nkey: "},

		{"no hash", directory.OtherKey{Kind: directory.KeyPassword}, "hash: expected a hash such as"},
		{"the password itself", directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: "correct horse"}, "hash: expected a hash such as"},
		{"an expensive hash", directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: strings.Replace(hash, "19456", "1048576", 1)}, "hash: m must be between"},

		{"no subject", directory.OtherKey{Kind: directory.KeyCertificate}, "subject: expected a subject of"},
		{"a subject in another order", directory.OtherKey{Kind: directory.KeyCertificate, DN: "O=b,CN=a"}, "subject: not in normal form; expected CN=a,O=b"},
		{"a key for a subject", directory.OtherKey{Kind: directory.KeyCertificate, DN: seed}, "subject: looks like a secret"},
		{"a binding without a service type", directory.OtherKey{Kind: directory.KeyBinding, DN: subject, Host: "a"}, "service_type: service type is empty"},
		{"a binding without a host", directory.OtherKey{Kind: directory.KeyBinding, DN: subject, ServiceType: "ams"}, "host: host is empty"},
		{"a binding to a path", directory.OtherKey{Kind: directory.KeyBinding, DN: subject, ServiceType: "ams", Host: "a/b"}, `host: host "a/b" holds '/'`},
		{"a binding to a long host", directory.OtherKey{Kind: directory.KeyBinding, DN: subject, ServiceType: "ams", Host: strings.Repeat("a", 254)}, "host: host is 254 characters long"},
		{"a binding without a subject", directory.OtherKey{Kind: directory.KeyBinding, ServiceType: "ams", Host: "a"}, "subject: expected a subject of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := directory.User{ID: id, Keys: []directory.Key{{Other: &tt.key}}}
			u.Complete()
			problems := u.Keys[0].Check(id)
			got := ""
			if len(problems) > 0 {
				got = problems[0].Error()
			}
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got != "" && (strings.Contains(got, "horse") || strings.Contains(got, "hx2bF5nWp4VAY") || strings.Contains(got, seed)) {
				t.Errorf("a secret is quoted: %s", got)
			}
			if tt.want == "" {
				u.Keys[0].Digest = directory.DigestOf("another")
				if problems := u.Keys[0].Check(id); len(problems) != 1 || problems[0].Path != "digest" {
					t.Errorf("with another digest: %v", problems)
				}
			}
		})
	}
}

// A password is found by its user, whatever it is; other keys by what they are.
func TestDigestFor(t *testing.T) {
	ada, bob := uuid.UUID{1}, uuid.UUID{2}
	seen := map[directory.Digest]string{}
	for name, k := range map[string]directory.OtherKey{
		"nkey": {Kind: directory.KeyNKey, NKey: "x"}, "password": {Kind: directory.KeyPassword, PasswordHash: "x"}, "certificate": {Kind: directory.KeyCertificate, DN: "x"},
		"binding": {Kind: directory.KeyBinding, DN: "x", ServiceType: "y", Host: "z"}, "binding 2": {Kind: directory.KeyBinding, DN: "x", ServiceType: "yz"},
	} {
		of := func(id uuid.UUID) directory.Digest {
			d, ok := (&directory.Key{Other: &k}).DigestFor(id)
			if !ok || seen[d] != "" {
				t.Errorf("%s: %v, as %s", name, ok, seen[d])
			}
			return d
		}
		a := of(ada)
		if (a == of(bob)) != (k.Kind != directory.KeyPassword) {
			t.Errorf("%s: digests of two users", name)
		}
		seen[a] = name
	}
	if _, ok := (&directory.Key{}).DigestFor(ada); ok {
		t.Error("the digest of an API key is derived")
	}
}
