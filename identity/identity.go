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

	// OwnName: nothing was asked for, and the user name is the user's own. So asks
	// nats-server 2.15 in operator mode when it is reloaded, of a connection that
	// had another user name: with the name of its user JWT.
	OwnName bool
}

// What a user name begins with that selects.
const (
	SelectProject = "project="
	SelectAccount = "account="
)

// IsZero reports whether nothing was asked for.
func (s Selection) IsZero() bool { return s.Project == "" && s.Account == "" }

// String returns the user name that selects this; empty: nothing was asked for.
func (s Selection) String() string {
	switch {
	case s.Project != "":
		return SelectProject + s.Project
	case s.Account != "":
		return SelectAccount + s.Account
	default:
		return ""
	}
}

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
