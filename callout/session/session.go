// Package session describes a live session: a connection to nats-server that usher has
// granted, and what it was granted for.
//
// It holds no secret: a credential is named by its key id and a digest.
package session

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

// ID identifies a connection for as long as its server runs. A server never uses the number
// of a client twice.
type ID struct {
	Server string // public nkey of the server, "N…"
	Client uint64 // the number of the connection on that server (cid)
}

// String returns the id as commands and the API spell it: "<server>:<client>".
func (id ID) String() string { return id.Server + ":" + strconv.FormatUint(id.Client, 10) }

// ParseID parses the form of String.
func ParseID(text string) (ID, error) {
	server, number, ok := strings.Cut(text, ":")
	client, err := strconv.ParseUint(number, 10, 64)
	if !ok || server == "" || err != nil {
		return ID{}, fmt.Errorf("not the id of a session: expected SERVER:CLIENT, such as NAB…:42")
	}
	return ID{server, client}, nil
}

// Clients choose these texts, and each usher keeps them for every session.
const (
	MaxClientText = 128 // bytes of the name, language and version of a client
	// MaxMQTTClientID is how many bytes of an MQTT client id are kept. nats-server takes ids of
	// up to 65,535 bytes, and no ban is of a longer one than this.
	MaxMQTTClientID = 256
)

// cut ends a text that was longer.
const cut = "…"

// Clip returns text as valid UTF-8 of at most limit bytes. It shares no memory with text.
func Clip(text string, limit int) string {
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit-len(cut)], "") + cut
	}
	return strings.Clone(strings.ToValidUTF8(text, "?"))
}

// Session is what is known about one granted connection. Nobody changes a Session that
// another one may read.
type Session struct {
	ID
	ServerName string
	RequestID  string // of the granting decision, in log and audit

	// What the decision was based on. Identity is as it was mapped: it has a name.
	Identity identity.Identity
	Verifier string
	Rules    []string // names of the rules of identities that matched
	Profile  string
	Digest   [32]byte // of the token or certificate (tokens.Credential.Digest); zero: none
	Revision uint64   // of the directory
	Ruleset  uint64   // digest of the identities and profiles it was based on (callout.Ruleset)

	Grant    permissions.Grant
	UserNKey string    // subject of the user JWT
	Started  time.Time // when it was granted
	Decided  time.Time // when that was decided last: the server may ask again. Later than that of every decision before it
	Expires  time.Time // end of the user JWT; zero: none
	Closes   time.Time // when usher closes it, if before Expires: the credential ends sooner than it did; zero: not known of

	// Follows is Decided of the session that this connection was known to have when it asked for
	// this one; zero: none was known. Only a session that has just been granted says so.
	Follows time.Time

	Addr   netip.Addr    // of the client; the zero Addr: not known
	Client tokens.Client // texts that the client chose have at most MaxClientText bytes

	Instance string // of the usher that granted it

	// Adopted: a server has the connection and no usher knows why it was granted. Only ID,
	// ServerName, Identity.Name, Identity.Selection, Grant.Account, Started, Addr and Client
	// are set, and for a leaf node Grant.Connection.Types.
	Adopted bool
}

// Ends returns when the session ends at the latest; zero: it has no end.
func (s *Session) Ends() time.Time {
	if s.Closes.IsZero() || !s.Expires.IsZero() && s.Expires.Before(s.Closes) {
		return s.Expires
	}
	return s.Closes
}

// Projects returns the projects whose roles are in the grant, sorted.
func (s *Session) Projects() []string {
	var out []string
	for _, tag := range s.Grant.Tags {
		if project, ok := strings.CutPrefix(tag, "project:"); ok {
			out = append(out, project)
		}
	}
	return out
}
