package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Role is what a member may do inside one project.
type Role string

// The project roles. They share no namespace with the service roles, so a
// project administrator can never hand out a service role.
const (
	RoleProjectAdmin Role = "project_admin"
	RolePublisher    Role = "publisher"
	RoleConsumer     Role = "consumer"
)

// Roles lists every project role, in the order in which documents show them.
func Roles() []Role { return []Role{RoleProjectAdmin, RolePublisher, RoleConsumer} }

// ServiceRole is what a user may do across projects.
type ServiceRole string

// The service roles.
const (
	ServiceRoleAdmin  ServiceRole = "service_admin"
	ServiceRoleIngest ServiceRole = "ingest"
)

// ServiceRoles lists every service role, in the order in which documents show them.
func ServiceRoles() []ServiceRole { return []ServiceRole{ServiceRoleAdmin, ServiceRoleIngest} }

// Digest is the SHA-256 of an API key. The key itself is never kept.
type Digest [sha256.Size]byte

// digestPrefix begins a digest where it is text.
const digestPrefix = "sha256:"

// DigestOf returns the digest under which key is kept.
func DigestOf(key string) Digest { return sha256.Sum256([]byte(key)) }

// String returns the form that stands in a directory: "sha256:" and 64 lower-case hex digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// KeyID returns the id of a key that has none of its own: the first 12 hex
// digits of its digest, so that an operator finds the key's line by it.
func (d Digest) KeyID() string { return hex.EncodeToString(d[:6]) }

// ErrDigest: a text that is no digest. It does not say the text, which may be a
// key that was put in the wrong place.
var ErrDigest = errors.New("expected sha256: and 64 hex digits")

// MarshalText returns the form of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts "sha256:" and 64 hex digits; the error is ErrDigest.
func (d *Digest) UnmarshalText(text []byte) error {
	hexed, ok := strings.CutPrefix(string(text), digestPrefix)
	sum, err := hex.DecodeString(hexed)
	if !ok || err != nil || len(sum) != len(d) {
		return ErrDigest
	}
	copy(d[:], sum)
	return nil
}

// Records is a whole directory as it was decoded, before it is checked and indexed.
type Records struct {
	Users    []User
	Projects []Project

	stated bool // whether some state their ids
}

// User is one principal of the directory.
type User struct {
	ID           uuid.UUID     `json:"-"`    // keeps when the name changes; of records without one it follows from the name
	Name         string        `json:"name"` // unique; one subject token
	Disabled     bool          `json:"disabled,omitempty"`
	ServiceRoles []ServiceRole `json:"service_roles,omitempty"`
	Limits       Limits        `json:"limits,omitzero"`
	Profile      *Profile      `json:"profile,omitempty"` // nil: nothing is said
	Made         Made          `json:"made,omitzero"`
	Keys         []Key         `json:"-"` // entries of their own; sorted by id in a snapshot
	Revision     uint64        `json:"-"`
}

// Profile is what people want to know of a user. It decides nothing.
type Profile struct {
	FirstName    string `json:"first_name,omitempty"`
	LastName     string `json:"last_name,omitempty"`
	Organization string `json:"organization,omitempty"`
	Description  string `json:"description,omitempty"`
	Email        string `json:"email,omitempty"`
}

// Made says when something was made and changed, and by whom. Zero: not known.
type Made struct {
	Created  time.Time `json:"created,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
	By       uuid.UUID `json:"by,omitzero"`
}

// Limits bound the connections of a user.
//
// There is no limit on subscriptions or payload here: nats-server 2.15 takes
// none of them from a user JWT that came over auth callout (measured; see
// docs/reference/divergences.md), and a limit that does not limit would be a lie.
type Limits struct {
	ConnectionTypes []ConnectionType `json:"connection_types,omitempty"` // how the user may connect; empty: in any way but as a leaf node
}

// ConnectionType is a way of connecting to nats-server, spelt as in a user JWT.
type ConnectionType string

// The connection types that nats-server tells apart.
const (
	ConnectionStandard   ConnectionType = "STANDARD"
	ConnectionWebSocket  ConnectionType = "WEBSOCKET"
	ConnectionLeafNode   ConnectionType = "LEAFNODE"
	ConnectionLeafNodeWS ConnectionType = "LEAFNODE_WS"
	ConnectionMQTT       ConnectionType = "MQTT"
	ConnectionMQTTWS     ConnectionType = "MQTT_WS"
	ConnectionInProcess  ConnectionType = "IN_PROCESS" // of a program that embeds the server
)

// ConnectionTypes lists every connection type, in the order in which documents show them.
func ConnectionTypes() []ConnectionType {
	return []ConnectionType{
		ConnectionStandard, ConnectionWebSocket, ConnectionLeafNode,
		ConnectionLeafNodeWS, ConnectionMQTT, ConnectionMQTTWS, ConnectionInProcess,
	}
}

// OfLeafNode reports whether a whole other server comes in this way.
func (t ConnectionType) OfLeafNode() bool {
	return t == ConnectionLeafNode || t == ConnectionLeafNodeWS
}

// Key is one API key of a user.
type Key struct {
	ID        string         `json:"-"` // public name of the key, for logs; never secret
	Digest    Digest         `json:"digest"`
	Disabled  bool           `json:"disabled,omitempty"`
	NotBefore time.Time      `json:"not_before,omitzero"` // zero: valid from the beginning
	Expires   time.Time      `json:"expires,omitzero"`    // zero: does not expire
	Networks  []netip.Prefix `json:"networks,omitempty"`  // empty: from anywhere
	Created   time.Time      `json:"created,omitzero"`
	Revision  uint64         `json:"-"`
}

// Project groups topics and subscriptions and lives in one NATS account.
type Project struct {
	ID            uuid.UUID      `json:"-"`
	Name          string         `json:"name"`    // one subject token; also the name of its JetStream stream
	Account       string         `json:"account"` // the NATS account its subjects are in
	Description   string         `json:"description,omitempty"`
	Made          Made           `json:"made,omitzero"`
	Members       []Member       `json:"-"` // of records; a snapshot yields them
	Topics        []Topic        `json:"-"`
	Subscriptions []Subscription `json:"-"`
	Revision      uint64         `json:"-"`
}

// Member is a user with its roles in one project.
type Member struct {
	User     string `json:"-"`
	Roles    []Role `json:"roles"`
	Revision uint64 `json:"-"`
}

// Topic is something that publishers publish to.
type Topic struct {
	Name        string    `json:"-"`                 // one subject token
	Subject     string    `json:"subject,omitempty"` // the subject it stands for; empty: <project>.<topic>
	Created     time.Time `json:"created,omitzero"`
	ACL         []string  `json:"-"` // of records: users who may publish, if they hold role publisher
	Revision    uint64    `json:"-"`
	ACLRevision uint64    `json:"-"`
}

// Subscription is a JetStream durable consumer on the project's stream.
type Subscription struct {
	Name        string    `json:"-"`                      // one subject token; the consumer's name
	Topic       string    `json:"topic"`                  // the topic it reads
	AckDeadline int       `json:"ack_deadline,omitempty"` // seconds; 0: not stated
	Push        *Push     `json:"push,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	ACL         []string  `json:"-"` // of records: users who may consume, if they hold role consumer
	Revision    uint64    `json:"-"`
	ACLRevision uint64    `json:"-"`
}

// Push says where the messages of a subscription are to be pushed. usher keeps it
// for whoever pushes; nothing of it is secret.
type Push struct {
	Type         string `json:"type,omitempty"` // http_endpoint or mattermost
	Endpoint     string `json:"endpoint,omitempty"`
	MaxMessages  int    `json:"max_messages,omitempty"`
	RetryType    string `json:"retry_type,omitempty"` // linear or slowstart
	RetryPeriod  int    `json:"retry_period,omitempty"`
	Base64Decode bool   `json:"base64_decode,omitempty"`

	MattermostURL      string `json:"mattermost_url,omitempty"`
	MattermostUsername string `json:"mattermost_username,omitempty"`
	MattermostChannel  string `json:"mattermost_channel,omitempty"`
}
