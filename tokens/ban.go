package tokens

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"strconv"
	"time"

	"usher/directory"
	"usher/directory/bans"
	"usher/directory/snapshot"
	"usher/identity"
)

// CodeBanned is the code of what a ban refuses.
const CodeBanned = "banned"

// RejectBanned returns a Reason with the id and the reason of a ban.
func RejectBanned(b *directory.Ban, id identity.Identity) error {
	return Reject(CodeBanned, "ban "+b.ID+" until "+b.Until.UTC().Format(time.RFC3339)+": "+b.Reason, id)
}

// Digest returns the digest of what the client presented: of its token, else of its public
// nkey, else of its certificate (the SHA-256 of its DER); zero: it presented none of them. That
// of an API key is the digest that the directory has. That of a JWT is of what is signed.
//
// A token may be a password or a user name, of which a digest says too much: see DigestToKeep.
func (c *Credential) Digest() directory.Digest {
	for _, d := range c.digests() {
		if d != (directory.Digest{}) {
			return d
		}
	}
	return directory.Digest{}
}

// DigestToKeep returns the digest of the credential by which id was verified, for those who
// keep or show it; zero: it has none that is safe to keep. People choose passwords, so a digest
// of one could be tried against all that they choose.
func (c *Credential) DigestToKeep(id *identity.Identity) directory.Digest {
	if c.known != (directory.Digest{}) {
		return c.known
	}
	d := c.digests()
	switch id.Method {
	case identity.MethodAPIKey:
		return d[digestToken]
	case identity.MethodOIDC, identity.MethodIntrospection, identity.MethodKubernetes, identity.MethodAutomate:
		if d[digestSigned] != (directory.Digest{}) {
			return d[digestSigned]
		}
		return d[digestToken]
	case identity.MethodNKey:
		return d[digestNKey]
	case identity.MethodCertificate:
		return d[digestCertificate]
	case identity.MethodNATSJWT:
		if _, claims, ok := signedParts(c.NATSJWT); ok {
			return directory.DigestOf(claims)
		}
	case identity.MethodPassword, identity.MethodWebhook, identity.MethodAnonymous, identity.MethodHealthCheck, identity.MethodService:
	}
	return directory.Digest{}
}

// SetDigest sets the digest of a credential that is not known itself, such as that of a live
// session.
func (c *Credential) SetDigest(d directory.Digest) { c.known = d }

// The digests of a credential, by their index in digests.
const (
	digestSigned = iota // of a token that is a JWT
	digestToken
	digestNKey
	digestCertificate
	digestKnown
	numDigests
)

func (c *Credential) digests() (all [numDigests]directory.Digest) {
	all[digestKnown] = c.known
	if token := c.Token(); token != "" {
		all[digestToken] = directory.DigestOf(token)
		if header, claims, ok := signedParts(token); ok {
			all[digestSigned] = directory.DigestOf(header + "." + claims)
		}
	}
	if c.NKey != "" {
		all[digestNKey] = directory.DigestOf(c.NKey)
	}
	if len(c.VerifiedChains) > 0 && len(c.VerifiedChains[0]) > 0 {
		if block, _ := pem.Decode([]byte(c.VerifiedChains[0][0])); block != nil {
			all[digestCertificate] = sha256.Sum256(block.Bytes)
		}
	}
	return all
}

// The functions below take the directory, of which they use the bans; nil: none is loaded. They
// ask for the time only if there are bans.

// CheckPresented returns a Reason with id if what the client presents is banned, whoever it
// is: its network, its credential, or its MQTT client id in all accounts.
func CheckPresented(s *snapshot.Snapshot, c *Credential, id identity.Identity, now func() time.Time) error {
	if s == nil || s.Bans() == nil {
		return nil
	}
	x, at := s.Bans(), now()
	if b := x.OfAddr(c.Addr(), at); b != nil {
		return RejectBanned(b, id)
	}
	if x.Has(directory.BanOfDigest) {
		for _, d := range c.digests() {
			if b := x.Of(&directory.BanTarget{Digest: d}, at); b != nil {
				return RejectBanned(b, id)
			}
		}
	}
	return CheckMQTTClientID(s, c, "", id, now)
}

// CheckMQTTClientID returns a Reason with id if the MQTT client id of c is banned in an
// account; empty: in all accounts.
func CheckMQTTClientID(s *snapshot.Snapshot, c *Credential, account string, id identity.Identity, now func() time.Time) error {
	if s == nil || c.Connection.MQTTClientID == "" || !s.Bans().Has(directory.BanOfMQTT) {
		return nil
	}
	if b := s.Bans().Of(&directory.BanTarget{MQTTClientID: c.Connection.MQTTClientID, Account: account}, now()); b != nil {
		return RejectBanned(b, id)
	}
	return nil
}

// CheckBans is CheckPresented, and returns a Reason too if the identity is banned: as a user of
// the directory, by its key, or by what its authority calls it. user is nil if it is no user of
// the directory.
func CheckBans(s *snapshot.Snapshot, c *Credential, id identity.Identity, user *directory.User, now func() time.Time) error {
	if s == nil || s.Bans() == nil {
		return nil
	}
	if err := CheckPresented(s, c, id, now); err != nil {
		return err
	}
	x, at := s.Bans(), now()
	if user != nil {
		if b := x.OfKey(user.ID, keyOf(user, id), at); b != nil {
			return RejectBanned(b, id)
		}
	}
	if id.Method == identity.MethodNATSJWT {
		if b := x.Of(&directory.BanTarget{Digest: c.DigestToKeep(&id)}, at); b != nil {
			return RejectBanned(b, id)
		}
	}
	if b := ofIdentity(x, &id, at); b != nil {
		return RejectBanned(b, id)
	}
	return nil
}

// ofIdentity returns a ban of what the authority of an identity calls it, or calls its session
// there; nil: there is none.
func ofIdentity(x *bans.Index, id *identity.Identity, now time.Time) *directory.Ban {
	if !x.Has(directory.BanOfIdentity) {
		return nil
	}
	for _, t := range []directory.BanTarget{{IdentityID: id.ID}, {SessionID: claim(id, "sid")}} {
		if t == (directory.BanTarget{}) {
			continue
		}
		t.Authority = string(id.Authority)
		if b := x.OfToken(&t, issued(id), now); b != nil {
			return b
		}
	}
	return nil
}

// keyOf returns the key of a user by which an identity was verified.
func keyOf(user *directory.User, id identity.Identity) *directory.Key {
	if id.Authority == identity.AuthorityDirectory {
		for i := range user.Keys {
			if user.Keys[i].ID == id.KeyID {
				return &user.Keys[i]
			}
		}
	}
	return &directory.Key{}
}

// claim returns a claim of a token that is a text; empty: there is none.
func claim(id *identity.Identity, name string) string {
	claims, _ := id.Attributes["claims"].(map[string]any)
	text, _ := claims[name].(string)
	return text
}

// issued returns when a token was issued; zero: it does not say.
func issued(id *identity.Identity) time.Time {
	claims, _ := id.Attributes["claims"].(map[string]any)
	seconds, err := strconv.ParseFloat(fmt.Sprint(claims["iat"]), 64) // a float64 or a json.Number, and other numbers from a replica
	if err != nil {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
