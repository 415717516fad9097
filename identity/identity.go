// Package identity describes a verified principal: who it is, who vouches for it, and
// until when. It imports nothing else of usher, and knows neither credentials nor
// subjects.
package identity

import (
	"net/netip"
	"time"
)

// Method says how an identity was verified.
type Method string

// The methods, as audit events, tags and metrics spell them.
const (
	MethodAPIKey        Method = "apikey"
	MethodHealthCheck   Method = "healthcheck"
	MethodNKey          Method = "nkey"
	MethodPassword      Method = "password"
	MethodCertificate   Method = "x509"
	MethodNATSJWT       Method = "natsjwt"
	MethodOIDC          Method = "oidc"
	MethodIntrospection Method = "introspection"
	MethodKubernetes    Method = "kubernetes"
	MethodAutomate      Method = "automate"
	MethodWebhook       Method = "webhook"
	MethodAnonymous     Method = "anonymous"
	MethodService       Method = "service"
)

// Authority names who vouches for an identity.
type Authority string

// The built-in authorities.
const (
	AuthorityDirectory Authority = "directory" // a user of the directory
	AuthorityUsher     Authority = "usher"     // usher itself, for its health check and its connections into the accounts of projects
)

// Selection is the project or account that a credential asked for. The zero value asks
// for nothing. At most one of Project and Account is set.
type Selection struct {
	Project string // get only the roles in this project
	Account string // get only the roles in this NATS account

	// OwnName: nothing was asked for, and the presented user name is the user's own.
	// When nats-server 2.15 in operator mode is reloaded, it asks again about each
	// connection with the name of its user JWT, whatever user name the client sent.
	OwnName bool
}

// Prefixes of a user name that selects a project or an account.
const (
	SelectProject = "project="
	SelectAccount = "account="
)

// IsZero reports whether neither a project nor an account was asked for.
func (s Selection) IsZero() bool { return s.Project == "" && s.Account == "" }

// String returns the user name that asks for s, or an empty string if s is zero.
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

// Attributes are verified facts about a principal, for the rules of identities: texts,
// numbers, booleans, lists ([]any) and nested maps (map[string]any), as encoding/json
// decodes them. The top level says what they are about: "claims" of a token,
// "certificate", "kubernetes", "nkey". Nobody writes to them.
type Attributes map[string]any

// Identity is a verified principal.
//
// A verifier of the directory's own keys sets Name, the name of the user, and authority
// AuthorityDirectory. Any other verifier sets ID, Attributes and an authority of the
// configuration, and leaves Name to the rules of identities (permissions/mapping).
type Identity struct {
	Name       string // user name; a single subject token, so it is safe in a subject
	ID         string // what the authority calls the principal, such as the OIDC sub; empty for users of the directory
	Attributes Attributes
	Authority  Authority      // who vouches for it
	Method     Method         // how it was verified
	KeyID      string         // public id of the presented key; not a secret
	KeyPrint   uint64         // of the key of the directory (directory.Key.Print); zero: it is not one
	NotAfter   time.Time      // end of the credential; zero: none
	Networks   []netip.Prefix // from which the credential may be used; empty: from everywhere
	Selection  Selection
}

// SameKey reports whether two identities of one user were verified by the same key. A key
// may have got another id meanwhile, as in the grace period after its replacement.
func (id *Identity) SameKey(other *Identity) bool {
	return id.KeyID == other.KeyID || id.KeyPrint != 0 && id.KeyPrint == other.KeyPrint
}
