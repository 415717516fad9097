package directory

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// KeyKind is the kind of credential that a Key is.
type KeyKind string

// The kinds of keys.
const (
	KeyAPI         KeyKind = "apikey"
	KeyNKey        KeyKind = "nkey"        // the client signs the nonce of the server with this user nkey
	KeyPassword    KeyKind = "password"    // of the user; at most one
	KeyCertificate KeyKind = "certificate" // a TLS client certificate with this subject
	KeyBinding     KeyKind = "binding"     // a certificate with this subject gets a short-lived API key (AMS: authx509)
)

// KeyKinds lists every kind of key, in the order in which documents show them.
func KeyKinds() []KeyKind {
	return []KeyKind{KeyAPI, KeyNKey, KeyPassword, KeyCertificate, KeyBinding}
}

// OtherKey is what a Key has that is not an API key. Which fields are set depends on Kind.
type OtherKey struct {
	Kind         KeyKind `json:"kind"`
	NKey         string  `json:"nkey,omitempty"`          // nkey: public user nkey (U…)
	PasswordHash string  `json:"password_hash,omitempty"` // password: PHC string of argon2id, or bcrypt
	DN           string  `json:"dn,omitempty"`            // certificate, binding: subject in AMS's normal form (package internal/dn)
	ServiceType  string  `json:"service_type,omitempty"`  // binding
	Host         string  `json:"host,omitempty"`          // binding
}

// Kind returns the kind of a key.
func (k *Key) Kind() KeyKind {
	if k.Other == nil {
		return KeyAPI
	}
	return k.Other.Kind
}

// KeysOf returns the keys of a user that are of this kind, in their order.
func (u *User) KeysOf(kind KeyKind) []*Key {
	var keys []*Key
	for i := range u.Keys {
		if u.Keys[i].Kind() == kind {
			keys = append(keys, &u.Keys[i])
		}
	}
	return keys
}

// LoginPrefix returns what the ids of the API keys begin with that clients get for a
// binding. No other key should have such an id.
func (k *Key) LoginPrefix() string { return "x509-" + k.Digest.KeyID() + "-" }

// Logins returns the API keys of a user that clients got for a binding.
func (u *User) Logins(binding *Key) []*Key {
	return slices.DeleteFunc(u.KeysOf(KeyAPI), func(k *Key) bool { return !strings.HasPrefix(k.ID, binding.LoginPrefix()) })
}

// The digests of keys that are not API keys begin with a text of their own, so that no
// two kinds have the same digest. What they are made of is not secret: whoever finds
// such a key by its digest has to check its kind.

// NKeyDigest returns the digest of a public user nkey.
func NKeyDigest(public string) Digest { return digestOfKind(KeyNKey, public) }

// PasswordDigest returns the digest of the password of a user, whatever the password is.
func PasswordDigest(user uuid.UUID) Digest { return digestOfKind(KeyPassword, user.String()) }

// CertificateDigest returns the digest of a certificate with this subject, in AMS's
// normal form.
func CertificateDigest(dn string) Digest { return digestOfKind(KeyCertificate, dn) }

// BindingDigest returns the digest of a binding.
func BindingDigest(dn, serviceType, host string) Digest {
	return digestOfKind(KeyBinding, serviceType, host, dn)
}

// digestOfKind separates the parts by a byte that none of them holds.
func digestOfKind(kind KeyKind, parts ...string) Digest {
	text := "usher " + string(kind)
	for _, p := range parts {
		text += "\x00" + p
	}
	return DigestOf(text)
}

// DigestFor returns the digest that a key of a user must have, and false for an API key,
// whose digest is all that is known of it.
func (k *Key) DigestFor(user uuid.UUID) (Digest, bool) {
	switch k.Kind() {
	case KeyNKey:
		return NKeyDigest(k.Other.NKey), true
	case KeyPassword:
		return PasswordDigest(user), true
	case KeyCertificate:
		return CertificateDigest(k.Other.DN), true
	case KeyBinding:
		return BindingDigest(k.Other.DN, k.Other.ServiceType, k.Other.Host), true
	case KeyAPI:
	}
	return Digest{}, false
}
