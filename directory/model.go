package directory

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// Role is what a member may do inside one project.
type Role string

// The project roles. Their namespace is separate from that of the service roles, so a
// project administrator can never assign a service role.
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

	// ServiceRolePushWorker may read, pull and acknowledge every subscription over the API.
	ServiceRolePushWorker ServiceRole = "push_worker"
	// ServiceRoleViewer may read the directory and the metrics of messages over the API.
	ServiceRoleViewer ServiceRole = "admin_viewer"
)

// ServiceRoles lists every service role, in the order in which documents show them.
func ServiceRoles() []ServiceRole {
	return []ServiceRole{ServiceRoleAdmin, ServiceRoleIngest, ServiceRolePushWorker, ServiceRoleViewer}
}

// User is one principal of the directory.
type User struct {
	ID           uuid.UUID     `json:"-"`    // stays the same when the name changes; IDOf(KindUser, Name) if none is stated
	Name         string        `json:"name"` // unique; one subject token
	Disabled     bool          `json:"disabled,omitempty"`
	ServiceRoles []ServiceRole `json:"service_roles,omitempty"`
	Limits       Limits        `json:"limits,omitzero"`
	Profile      *Profile      `json:"profile,omitempty"` // nil: not stated
	Made         Made          `json:"made,omitzero"`
	Keys         []Key         `json:"-"` // stored as entries of their own; sorted by id in a snapshot
	Revision     uint64        `json:"-"`
}

// Profile describes a user to people. No decision depends on it.
type Profile struct {
	FirstName    string `json:"first_name,omitempty"`
	LastName     string `json:"last_name,omitempty"`
	Organization string `json:"organization,omitempty"`
	Description  string `json:"description,omitempty"`
	Email        string `json:"email,omitempty"`
}

// Made records when something was created and modified, and which user created it.
// A zero field is not known.
type Made struct {
	Created  time.Time `json:"created,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
	By       uuid.UUID `json:"by,omitzero"`
}

// Limits bound the connections of a user.
//
// There is no limit on subscriptions or payload: nats-server 2.15 ignores both in a
// user JWT that it receives over auth callout (measured; see docs/reference/divergences.md).
type Limits struct {
	ConnectionTypes []ConnectionType `json:"connection_types,omitempty"` // how the user may connect; empty: every type except leaf nodes
}

// ConnectionType is a type of connection to nats-server, spelt as in a user JWT.
type ConnectionType string

// The connection types of nats-server.
const (
	ConnectionStandard   ConnectionType = "STANDARD"
	ConnectionWebSocket  ConnectionType = "WEBSOCKET"
	ConnectionLeafNode   ConnectionType = "LEAFNODE"
	ConnectionLeafNodeWS ConnectionType = "LEAFNODE_WS"
	ConnectionMQTT       ConnectionType = "MQTT"
	ConnectionMQTTWS     ConnectionType = "MQTT_WS"
	ConnectionInProcess  ConnectionType = "IN_PROCESS" // from a program that embeds the server
)

// ConnectionTypes lists every connection type, in the order in which documents show them.
func ConnectionTypes() []ConnectionType {
	return []ConnectionType{
		ConnectionStandard, ConnectionWebSocket, ConnectionLeafNode,
		ConnectionLeafNodeWS, ConnectionMQTT, ConnectionMQTTWS, ConnectionInProcess,
	}
}

// OfLeafNode reports whether a connection of this type is a leaf node: a server of its
// own, with clients of its own.
func (t ConnectionType) OfLeafNode() bool {
	return t == ConnectionLeafNode || t == ConnectionLeafNodeWS
}

// Key is one credential of a user: an API key, unless Other says otherwise.
type Key struct {
	ID        string         `json:"-"`               // identifies the key in logs; not secret
	Digest    Digest         `json:"digest"`          // unique; of what is presented (docs of the *Digest functions)
	Other     *OtherKey      `json:"other,omitempty"` // nil: an API key
	Disabled  bool           `json:"disabled,omitempty"`
	NotBefore time.Time      `json:"not_before,omitzero"` // zero: valid at once
	Expires   time.Time      `json:"expires,omitzero"`    // zero: does not expire
	Networks  []netip.Prefix `json:"networks,omitempty"`  // empty: from anywhere
	Created   time.Time      `json:"created,omitzero"`
	Revision  uint64         `json:"-"`
}

// Print returns a number that is another one once the key has another secret: a part of the
// digest of what it stores. It is not secret. It is never zero.
func (k *Key) Print() uint64 {
	d := k.Digest
	if k.Kind() == KeyPassword { // its digest is that of its user
		d = DigestOf(k.Other.PasswordHash)
	}
	return max(1, binary.BigEndian.Uint64(d[:]))
}

// Project groups topics and subscriptions and lives in one NATS account.
type Project struct {
	ID            uuid.UUID      `json:"-"`
	Name          string         `json:"name"`    // one subject token; also the name of its JetStream stream
	Account       string         `json:"account"` // the NATS account its subjects are in
	Description   string         `json:"description,omitempty"`
	Made          Made           `json:"made,omitzero"`
	Members       []Member       `json:"-"` // only in records; Snapshot.Members yields them
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

// Topic is what publishers publish to: one subject.
type Topic struct {
	Name        string    `json:"-"`                 // one subject token
	Subject     string    `json:"subject,omitempty"` // the subject of the topic; empty: <project>.<topic>
	Created     time.Time `json:"created,omitzero"`
	ACL         []string  `json:"-"` // only in records: users who may publish if they hold role publisher
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
	ACL         []string  `json:"-"` // only in records: users who may consume if they hold role consumer
	Revision    uint64    `json:"-"`
	ACLRevision uint64    `json:"-"`
}

// Push says where the messages of a subscription are to be pushed. Nothing in it is secret:
// the authorization header is sealed.
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

	// Verified says that the endpoint has shown VerificationHash. Nothing is pushed to an
	// endpoint of type http_endpoint before.
	VerificationHash string             `json:"verification_hash,omitempty"`
	Verified         bool               `json:"verified,omitempty"`
	Authorization    *PushAuthorization `json:"authorization,omitempty"` // nil: pushes have no Authorization header
}

// PushAuthorization is the value of the Authorization header of each push, by which a
// receiver knows who pushes. It is sealed with keys that replicas derive from their keyring
// (package issuer/sharedkey/box).
type PushAuthorization struct {
	Sealed        []byte    `json:"sealed"`
	Previous      []byte    `json:"previous,omitempty"` // sealed; shown beside the new value until PreviousUntil
	PreviousUntil time.Time `json:"previous_until,omitzero"`
	// Header is the value in clear, as an import states it. It is never stored: the import
	// seals it.
	Header string `json:"-"`
}
