package sessions_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/nats-io/nkeys"

	"usher/callout/session"
	"usher/directory"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

// start is when the sessions of the tests begin.
func start() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 123456789, time.UTC) }

// connection is the n-th session of the tests: of user u<n/4>, on one of three servers. Two
// projects take turns.
func connection(n int) *session.Session {
	return of(fmt.Sprintf("u%06d", n/4), n)
}

// of is the n-th session, of a user.
func of(user string, n int) *session.Session {
	project := []string{"shop", "lab"}[n/4%2]
	raw := sha256.Sum256([]byte(strconv.Itoa(n)))
	nkey, err := nkeys.Encode(nkeys.PrefixByteUser, raw[:])
	if err != nil {
		panic(err)
	}
	s := &session.Session{
		ID:         session.ID{Server: fmt.Sprintf("NSERVER%d", n%3), Client: uint64(n) + 5},
		ServerName: fmt.Sprintf("nats-%d", n%3), RequestID: fmt.Sprintf("%022d", n),
		Identity: identity.Identity{Name: user, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, KeyID: "k" + user, KeyPrint: 7},
		Verifier: "apikey", Revision: 7, UserNKey: string(nkey), Instance: "usher-1",
		Started: start().Add(time.Duration(n) * time.Second), Expires: start().Add(time.Hour).Truncate(time.Second),
		Addr:   netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
		Client: tokens.Client{Name: "worker", Lang: "go", Version: "1.49.0", Kind: "Client", Type: "nats"},
		Grant:  grant(user, project),
	}
	s.Digest, s.Decided = sha256.Sum256([]byte(user)), s.Started
	return s
}

// grant is one of a member of a project: eight subjects.
func grant(user, project string) permissions.Grant {
	inbox := "_INBOX_" + user
	origin := permissions.Origin{Source: permissions.SourceACL, Role: "publisher", Project: project, Resource: "topic"}
	g := permissions.Grant{
		Account: "APP", InboxPrefix: inbox,
		ConnectionTypes: []directory.ConnectionType{directory.ConnectionStandard, directory.ConnectionWebSocket},
		Connection:      identity.Connection{Types: []string{"STANDARD", "WEBSOCKET"}},
		Tags:            []string{"key:k" + user, "method:apikey", "project:" + project, "role:publisher"},
	}
	for _, name := range []string{"invoices", "orders", "parcels", "prices", "stock"} {
		origin.Name = name
		g.Rules = append(g.Rules, permissions.Rule{Side: permissions.Publish, Effect: permissions.Allow, Subject: project + "." + name, Origin: origin})
	}
	return permissions.Grant{
		Account: g.Account, InboxPrefix: g.InboxPrefix, ConnectionTypes: g.ConnectionTypes, Connection: g.Connection, Tags: g.Tags,
		Rules: append(g.Rules,
			permissions.Rule{Side: permissions.Publish, Effect: permissions.Deny, Subject: "$SYS.REQ.USER.AUTH", Origin: permissions.Origin{Source: permissions.SourceInvariant}},
			permissions.Rule{Side: permissions.Subscribe, Effect: permissions.Allow, Subject: inbox + ".>", Origin: permissions.Origin{Source: permissions.SourceInbox}},
			permissions.Rule{Side: permissions.Subscribe, Effect: permissions.Deny, Subject: "$SYS.REQ.USER.AUTH", Origin: permissions.Origin{Source: permissions.SourceInvariant}},
		),
	}
}

// everything is a session with every field set, of a client with MQTT and a JWT.
func everything() *session.Session {
	s := of("ada", 1)
	s.Identity = identity.Identity{
		Name: "ada", ID: "248289761001", Authority: "https://login.example.com", Method: identity.MethodOIDC, KeyID: "2026-1", KeyPrint: 1 << 63,
		NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		Selection: identity.Selection{Project: "shop", OwnName: true},
		Attributes: identity.Attributes{"claims": map[string]any{
			"sub": "248289761001", "groups": []any{"staff", "ops"}, "n": json.Number("9007199254740993"), "f": 1.5, "i": int64(7), "ok": true, "none": nil, "deep": map[string]any{"a": map[string]any{}},
		}},
	}
	s.Verifier, s.Rules, s.Profile = "oidc", []string{"staff", "ops"}, "ingest"
	s.Ruleset = 1<<64 - 1
	s.Grant.Scope, s.Grant.WholeAccount = "scoped", true
	s.Grant.Connection = identity.Connection{Types: []string{"MQTT", "MQTT_WS"}, MQTTClientID: "ada:1"}
	s.Grant.Networks, s.Grant.NotAfter = s.Identity.Networks, s.Identity.NotAfter
	s.Addr = netip.MustParseAddr("fe80::1%eth0")
	s.Decided, s.Follows = s.Started.Add(time.Hour+1), s.Started.Add(time.Hour)
	s.Client.Name = "bad \xff name"
	return s
}
