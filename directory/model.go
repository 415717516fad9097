package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"
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

// DigestOf returns the digest under which key is kept.
func DigestOf(key string) Digest { return sha256.Sum256([]byte(key)) }

// String returns the form that stands in a directory: "sha256:" and 64 lower-case hex digits.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// KeyID returns the id of a key that has none of its own: the first 12 hex
// digits of its digest, so that an operator finds the key's line by it.
func (d Digest) KeyID() string { return hex.EncodeToString(d[:6]) }

// Records is a whole directory as it was decoded, before it is checked and indexed.
type Records struct {
	Users    []User
	Projects []Project
}

// User is one principal of the directory.
type User struct {
	Name         string // unique; one subject token
	Disabled     bool
	ServiceRoles []ServiceRole
	Limits       Limits
	Keys         []Key
}

// Limits bound the connections of a user.
//
// There is no limit on subscriptions or payload here: nats-server 2.15 takes
// none of them from a user JWT that came over auth callout (measured; see
// docs/divergences.md), and a limit that does not limit would be a lie.
type Limits struct {
	ConnectionTypes []ConnectionType // how the user may connect; empty: in any way
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
)

// ConnectionTypes lists every connection type, in the order in which documents show them.
func ConnectionTypes() []ConnectionType {
	return []ConnectionType{
		ConnectionStandard, ConnectionWebSocket, ConnectionLeafNode,
		ConnectionLeafNodeWS, ConnectionMQTT, ConnectionMQTTWS,
	}
}

// Key is one API key of a user.
type Key struct {
	ID        string // public name of the key, for logs; never secret
	Digest    Digest
	Disabled  bool
	NotBefore time.Time      // zero: valid from the beginning
	Expires   time.Time      // zero: does not expire
	Networks  []netip.Prefix // empty: from anywhere
}

// Project groups topics and subscriptions and lives in one NATS account.
type Project struct {
	Name          string // one subject token; also the name of its JetStream stream
	Account       string // the NATS account its subjects are in
	Description   string
	Members       []Member
	Topics        []Topic
	Subscriptions []Subscription
}

// Member is a user with its roles in one project.
type Member struct {
	User  string
	Roles []Role
}

// Topic is something that publishers publish to.
type Topic struct {
	Name    string   // one subject token
	Subject string   // the subject it stands for; empty: <project>.<topic>
	ACL     []string // users who may publish, if they hold role publisher
}

// Subscription is a JetStream durable consumer on the project's stream.
type Subscription struct {
	Name  string   // one subject token; the consumer's name
	Topic string   // the topic it reads
	ACL   []string // users who may consume, if they hold role consumer
}
