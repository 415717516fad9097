package directory

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"usher/internal/dn"
	"usher/internal/phc"
	"usher/internal/secret"
)

// passwordID is the default id of a password. A user has only one.
const passwordID = "password"

// DefaultID returns the id of a key that states none.
func (k *Key) DefaultID() string {
	if k.Kind() == KeyPassword {
		return passwordID
	}
	if d, ok := k.DigestFor(uuid.Nil); ok { // which depends on no user
		return d.KeyID()
	}
	return k.Digest.KeyID()
}

// complete gives the key of a user the digest and the id that it does not state.
func (k *Key) complete(user uuid.UUID) {
	if k.Other != nil && k.Digest == (Digest{}) {
		k.Digest, _ = k.DigestFor(user)
	}
	if k.ID == "" {
		k.ID = k.DefaultID()
	}
}

// Complete gives the keys of a user with an id the digests and ids that they do not state.
func (u *User) Complete() {
	for i := range u.Keys {
		u.Keys[i].complete(u.ID)
	}
}

// Check returns what is wrong with the content of a key of a user. Paths are fields of a
// directory file. No message quotes a hash.
func (k *Key) Check(user uuid.UUID) Problems {
	if k.Other == nil {
		return k.checkDigest(user)
	}
	if wrong := k.Other.unexpected(); wrong != "" {
		return Problems{{Path: wrong, Message: "is not a field of such a key"}}
	}
	var problems Problems
	add := func(field, hint string, err error) {
		if err != nil {
			problems = append(problems, Problem{Path: field, Message: err.Error(), Hint: hint})
		}
	}
	field := k.Kind().DigestField()
	switch o := k.Other; o.Kind {
	case KeyNKey:
		err := checkNKey(o.NKey)
		hint := HintFor(err)
		if hint == "" {
			hint = "it begins with U (usher user nkey new makes one)"
		}
		add(field, hint, err)
	case KeyPassword:
		add(field, "usher password hash makes one", phc.Check(o.PasswordHash))
	case KeyBinding:
		add("service_type", "", prefixed("service type", CheckName(o.ServiceType)))
		add("host", "", checkHost(o.Host))
		add(field, dnHint, checkDN(o.DN))
	case KeyCertificate:
		add(field, dnHint, checkDN(o.DN))
	case KeyAPI:
	}
	if len(problems) > 0 {
		return problems
	}
	return k.checkDigest(user)
}

// unexpected returns a field that a key of this kind does not have.
func (o *OtherKey) unexpected() string {
	rest := *o
	switch rest.Kind = ""; o.Kind {
	case KeyNKey:
		rest.NKey = ""
	case KeyPassword:
		rest.PasswordHash = ""
	case KeyBinding:
		rest.DN, rest.ServiceType, rest.Host = "", "", ""
	case KeyCertificate:
		rest.DN = ""
	case KeyAPI:
		return "kind"
	default:
		return "kind"
	}
	switch {
	case rest.NKey != "":
		return "nkey"
	case rest.PasswordHash != "":
		return "password_hash"
	case rest.DN != "":
		return "dn"
	case rest.ServiceType != "":
		return "service_type"
	case rest.Host != "":
		return "host"
	}
	return ""
}

// checkDigest reports a digest that no key of this kind can have.
func (k *Key) checkDigest(user uuid.UUID) Problems {
	problem := func(message string) Problems { return Problems{{Path: "digest", Message: message}} }
	want, ok := k.DigestFor(user)
	switch {
	case ok && k.Digest != want:
		return problem("is not the digest of this " + k.Kind().Noun())
	case k.Digest == (Digest{}):
		return problem("is missing")
	case k.Digest == emptyDigest:
		return problem("is the digest of the empty key")
	}
	return nil
}

func checkNKey(public string) error {
	switch {
	case secret.Detect(public):
		return ErrSecret
	case !nkeys.IsValidPublicUserKey(public):
		return fmt.Errorf("%s is not the public nkey of a user", secret.Name(public))
	}
	return nil
}

// dnHint says where to take a subject from.
const dnHint = "usher user certificate add --cert FILE takes it from a certificate"

// checkDN reports why a text cannot be the subject of a certificate.
func checkDN(text string) error {
	if secret.Detect(text) {
		return ErrSecret
	}
	return dn.Check(text)
}

// maxHost is the longest name of a host in DNS.
const maxHost = 253

func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("host is empty")
	case len(host) > maxHost:
		return fmt.Errorf("host is %d characters long, at most %d are allowed", len(host), maxHost)
	case secret.Detect(host):
		return ErrSecret
	}
	for _, r := range host {
		if !isNameRune(r) && r != '.' {
			return fmt.Errorf("host %s holds %q; only letters, digits, '.', '-' and '_' are allowed", secret.Name(host), r)
		}
	}
	return nil
}
