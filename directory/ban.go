package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
)

// MaxBan is the longest time for which a ban can hold.
const MaxBan = 10 * 366 * 24 * time.Hour

// Ban refuses the connections of its target until it ends. It belongs to no project.
type Ban struct {
	ID           string    `json:"-"`
	User         string    `json:"-"` // only in records: the name of Target.User
	Target       BanTarget `json:"target"`
	IssuedBefore time.Time `json:"issued_before,omitzero"` // BanOfIdentity: tokens issued later are not concerned; zero: all are
	Reason       string    `json:"reason"`                 // one line, for operators; no client sees it
	By           string    `json:"by,omitempty"`           // who made it: the name of a user, or BanByUsher
	Created      time.Time `json:"created,omitzero"`
	Until        time.Time `json:"until"`
	Revision     uint64    `json:"-"`
}

// BanByUsher is the author of the bans that usher makes by itself.
const BanByUsher = "usher"

// InForce reports whether a ban holds at a time.
func (b *Ban) InForce(now time.Time) bool { return now.Before(b.Until) }

// BanKind is what a ban is of.
type BanKind string

// The kinds of bans.
const (
	BanOfUser     BanKind = "user"           // a user of the directory, by whatever credential
	BanOfKey      BanKind = "key"            // one key of a user
	BanOfDigest   BanKind = "digest"         // a credential, wherever it comes from (tokens.Credential.Digest)
	BanOfNetwork  BanKind = "network"        // clients with an address in a network
	BanOfMQTT     BanKind = "mqtt_client_id" // MQTT clients with this client id
	BanOfIdentity BanKind = "identity"       // an identity of another authority, or one of its sessions there
)

// BanKinds lists every kind of ban, in the order in which documents show them.
func BanKinds() []BanKind {
	return []BanKind{BanOfUser, BanOfKey, BanOfDigest, BanOfNetwork, BanOfMQTT, BanOfIdentity}
}

// BanTarget is whom a ban concerns. Which fields are set depends on its kind.
type BanTarget struct {
	User         uuid.UUID    `json:"user,omitzero"`            // user, key
	Key          string       `json:"key,omitempty"`            // key: its id
	Digest       Digest       `json:"digest,omitzero"`          // digest
	Network      netip.Prefix `json:"network,omitzero"`         // network
	MQTTClientID string       `json:"mqtt_client_id,omitempty"` // mqtt_client_id
	Account      string       `json:"account,omitempty"`        // mqtt_client_id: the NATS account; empty: in all accounts
	Authority    string       `json:"authority,omitempty"`      // identity: who vouches for it
	IdentityID   string       `json:"identity_id,omitempty"`    // identity: what the authority calls it
	SessionID    string       `json:"session_id,omitempty"`     // identity: the OIDC sid, instead of IdentityID
}

// Kind returns the kind of a target; empty: it has the fields of no kind, or of several.
func (t *BanTarget) Kind() BanKind {
	var kind BanKind
	n := 0
	is := func(k BanKind, set bool) {
		if set {
			kind = k
			n++
		}
	}
	is(BanOfUser, t.User != uuid.Nil && t.Key == "")
	is(BanOfKey, t.Key != "")
	is(BanOfDigest, t.Digest != Digest{})
	is(BanOfNetwork, t.Network != netip.Prefix{})
	is(BanOfMQTT, t.MQTTClientID != "" || t.Account != "")
	is(BanOfIdentity, t.Authority != "" || t.IdentityID != "" || t.SessionID != "")
	if n != 1 {
		return ""
	}
	return kind
}

// String returns the target in words: "user 9c4f…", "network 203.0.113.0/24".
func (t *BanTarget) String() string { return t.Text(t.User.String()) }

// Text is String with the name of the user.
func (t *BanTarget) Text(user string) string {
	switch t.Kind() {
	case BanOfUser:
		return "user " + user
	case BanOfKey:
		return "key " + t.Key + " of user " + user
	case BanOfDigest:
		return "credential " + t.Digest.String()
	case BanOfNetwork:
		return "network " + t.Network.String()
	case BanOfMQTT:
		if t.Account != "" {
			return "MQTT client id " + t.MQTTClientID + " in account " + t.Account
		}
		return "MQTT client id " + t.MQTTClientID
	case BanOfIdentity:
		if t.SessionID != "" {
			return "session " + t.SessionID + " of authority " + t.Authority
		}
		return "identity " + t.IdentityID + " of authority " + t.Authority
	}
	return ""
}

// DefaultID returns the id of a ban of this target that states none.
func (t *BanTarget) DefaultID() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		t.User.String(), t.Key, t.Digest.String(), t.Network.String(),
		t.MQTTClientID, t.Account, t.Authority, t.IdentityID, t.SessionID,
	}, "\x00")))
	return hex.EncodeToString(sum[:6])
}
