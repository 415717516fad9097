// Package identity holds what a verified principal is. It is the leaf of the
// import graph: it knows no credential, no subject and no network, only who
// somebody turned out to be and for how long that holds.
package identity

import (
	"net/netip"
	"time"
)

// Method says how an identity was verified.
type Method string

// The methods, as they stand in audit events, tags and metrics.
const (
	MethodAPIKey      Method = "apikey"
	MethodHealthCheck Method = "healthcheck"
)

// Authority names who vouches for an identity.
type Authority string

// The authorities usher knows by itself.
const (
	AuthorityDirectory Authority = "directory" // a user of the directory
	AuthorityUsher     Authority = "usher"     // usher itself, for its own health check
)

// Selection is what the credential asked to be bound to; the zero value asks
// for nothing in particular. At most one field is set.
type Selection struct {
	Project string // only this project
	Account string // only what lies in this NATS account
}

// IsZero reports whether nothing was asked for.
func (s Selection) IsZero() bool { return s == Selection{} }

// Identity is a verified principal.
type Identity struct {
	Name      string    // user name; one subject token, safe to place in a subject
	Authority Authority // who vouches for it
	Method    Method    // how it was verified
	KeyID     string    // public id of the key that was presented; never secret
	NotAfter  time.Time // when the credential ends; zero: it does not
	Networks  []netip.Prefix
	Selection Selection
}
