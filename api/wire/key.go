package wire

import "time"

// Key is one API key of a user, without the secret key itself. AMS has no named keys.
type Key struct {
	Name           string    `json:"name"`
	Enabled        bool      `json:"enabled"`
	CreatedOn      time.Time `json:"created_on,omitzero"`
	NotBefore      time.Time `json:"not_before,omitzero"`
	ExpiresOn      time.Time `json:"expires_on,omitzero"`       // absent: the key does not expire
	SourceNetworks []string  `json:"source_networks,omitempty"` // CIDR; none: every network
}

// KeyCreated is a new key. It is the only response that contains the secret key.
type KeyCreated struct {
	Key
	Token string `json:"token"` // the secret key
}

// KeyInput creates a key. At most one of ExpiresOn and ExpiresIn may be set.
type KeyInput struct {
	Name           string     `json:"name"`
	ExpiresOn      *time.Time `json:"expires_on,omitempty"`
	ExpiresIn      string     `json:"expires_in,omitempty"` // a duration, such as "720h"
	NotBefore      *time.Time `json:"not_before,omitempty"`
	SourceNetworks []string   `json:"source_networks,omitempty"` // CIDR or single addresses
}

// KeyList is one page of a user's keys, newest first.
type KeyList struct {
	Keys          []Key  `json:"keys"`
	NextPageToken string `json:"nextPageToken"`
	TotalSize     int    `json:"totalSize"`
}

// RefreshToken says which key is replaced, and how. The body is optional.
type RefreshToken struct {
	Key   string `json:"key,omitempty"`   // name of the key; empty: DefaultKey, or else the only key
	Grace string `json:"grace,omitempty"` // how long the old key still works, such as "1h"; empty: until the next connect

	// At most one of these may be set. With neither, the new key has the same lifetime as
	// the old one. AMS has none of the fields.
	ExpiresOn *time.Time `json:"expires_on,omitempty"`
	ExpiresIn string     `json:"expires_in,omitempty"`
}

// DefaultKey is the name of the key that a user is created with.
const DefaultKey = "default"
