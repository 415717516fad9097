package wire

import "time"

// BanTarget is whom a ban concerns: exactly one of User, User with Key, Digest, Network,
// MQTTClientID, and Authority with IdentityID or SessionID. AMS has none of the types in this
// file.
type BanTarget struct {
	User         string `json:"user,omitempty"`
	Key          string `json:"key,omitempty"`            // name of a key of User
	Digest       string `json:"digest,omitempty"`         // of a token or a certificate: "sha256:…"
	Network      string `json:"network,omitempty"`        // CIDR
	MQTTClientID string `json:"mqtt_client_id,omitempty"` // with Account, or in all accounts
	Account      string `json:"account,omitempty"`
	Authority    string `json:"authority,omitempty"`
	IdentityID   string `json:"identity_id,omitempty"` // what the authority calls the identity
	SessionID    string `json:"session_id,omitempty"`  // OIDC sid
}

// Ban refuses connections of its target until it ends.
type Ban struct {
	ID string `json:"id"`
	BanTarget
	IssuedBefore time.Time `json:"issued_before,omitzero"` // tokens that were issued later are not concerned
	Reason       string    `json:"reason"`
	By           string    `json:"by,omitempty"` // name of a user, or "usher"
	CreatedOn    time.Time `json:"created_on,omitzero"`
	Until        time.Time `json:"until"`
	InForce      bool      `json:"in_force"` // false: it has ended
}

// BanInput creates a ban. Exactly one of For and Until is set.
type BanInput struct {
	ID string `json:"id,omitempty"` // empty: usher makes one
	BanTarget
	IssuedBefore *time.Time `json:"issued_before,omitempty"`
	Reason       string     `json:"reason"`
	For          string     `json:"for,omitempty"` // a duration, such as "1h"
	Until        *time.Time `json:"until,omitempty"`
}

// BanList is one page of bans, newest first.
type BanList struct {
	Bans          []Ban  `json:"bans"`
	NextPageToken string `json:"nextPageToken"`
	TotalSize     int    `json:"totalSize"`
}
