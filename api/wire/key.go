package wire

import "time"

// Key is one API key of a user, without the key itself. Keys by name are beyond AMS.
type Key struct {
	Name           string    `json:"name"`
	Enabled        bool      `json:"enabled"`
	CreatedOn      time.Time `json:"created_on,omitzero"`
	NotBefore      time.Time `json:"not_before,omitzero"`
	ExpiresOn      time.Time `json:"expires_on,omitzero"`       // absent: it does not expire
	SourceNetworks []string  `json:"source_networks,omitempty"` // CIDR; none: from anywhere
}

// KeyCreated is a key that was just made, the only time that it is shown.
type KeyCreated struct {
	Key
	Token string `json:"token"`
}

// KeyInput makes a key. At most one of ExpiresOn and ExpiresIn is given.
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

// RefreshToken says which key is replaced, and how. No body is one without fields.
type RefreshToken struct {
	Key   string `json:"key,omitempty"`   // name of the key; empty: DefaultKey
	Grace string `json:"grace,omitempty"` // how long the old key still works, such as "1h"; empty: it is refused from the next connect on

	// At most one of them is given; none: the new key lasts as long as the old one
	// did when it was made. Beyond AMS, as are the others.
	ExpiresOn *time.Time `json:"expires_on,omitempty"`
	ExpiresIn string     `json:"expires_in,omitempty"`
}

// DefaultKey is the name of the key that a user is made with.
const DefaultKey = "default"
