package permissions_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

const (
	leafNode   = directory.ConnectionLeafNode
	leafNodeWS = directory.ConnectionLeafNodeWS
	standard   = directory.ConnectionStandard
)

// withConnectionTypes returns the test directory with these connection types by user.
func withConnectionTypes(types map[string][]directory.ConnectionType) directory.Records {
	r := testDirectory()
	for i := range r.Users {
		r.Users[i].Limits.ConnectionTypes = types[r.Users[i].Name]
	}
	return r
}

// Invariant 0: a grant holds only for connection types for which the server enforces it,
// unless it gives the whole account.
func TestInvariant0Derived(t *testing.T) {
	enforcedTypes := []directory.ConnectionType{
		directory.ConnectionStandard, directory.ConnectionWebSocket, directory.ConnectionMQTT, directory.ConnectionMQTTWS, directory.ConnectionInProcess,
	}
	for _, tt := range []struct {
		user, selection string
		named, want     []directory.ConnectionType // want nil: denied
	}{
		{"pia", "", nil, enforcedTypes},
		{"root", "", nil, enforcedTypes}, // leaf nodes only if listed
		{"pia", "", []directory.ConnectionType{standard}, []directory.ConnectionType{standard}},
		{"pia", "", []directory.ConnectionType{standard, leafNode}, []directory.ConnectionType{standard}},
		{"pia", "", []directory.ConnectionType{leafNode}, nil},
		{"hab", "", []directory.ConnectionType{leafNode, leafNodeWS}, nil},
		{"ann", "", []directory.ConnectionType{leafNode}, nil}, // admin of one project of two
		{"root", "", []directory.ConnectionType{leafNode}, []directory.ConnectionType{leafNode}},
		{"root", "project=moon", []directory.ConnectionType{leafNodeWS}, []directory.ConnectionType{leafNodeWS}},
		{"far", "project=moon", []directory.ConnectionType{leafNode, standard}, []directory.ConnectionType{leafNode, standard}}, // admin of the only one
		{"far", "project=shop", []directory.ConnectionType{leafNode, standard}, []directory.ConnectionType{standard}},
		{"boss", "account=APP", []directory.ConnectionType{leafNode}, []directory.ConnectionType{leafNode}},
	} {
		s := snapshotOf(t, withConnectionTypes(map[string][]directory.ConnectionType{tt.user: tt.named}))
		g, err := derive(t, newPolicy(), s, tt.user, selection(tt.selection))
		if tt.want == nil {
			if !errors.Is(err, permissions.ErrLeafNode) || errors.Is(err, permissions.ErrInvariant) {
				t.Errorf("%s %s %v: got %v", tt.user, tt.selection, tt.named, err)
			}
			continue
		}
		if err != nil || !slices.Equal(g.ConnectionTypes, tt.want) {
			t.Errorf("%s %s %v: got %v, %v", tt.user, tt.selection, tt.named, g.ConnectionTypes, err)
		}
	}
}

// A leaf node needs role project_admin in every project of the account.
func TestInvariant0EveryProject(t *testing.T) {
	leaf := map[string][]directory.ConnectionType{"ann": {leafNode}}
	admin := func(r directory.Records, role directory.Role) directory.Records {
		r.Projects[1].Members = append(r.Projects[1].Members, member("ann", role))
		return r
	}
	for _, tt := range []struct {
		name string
		r    directory.Records
		sel  string
		ok   bool
	}{
		{"of both", admin(withConnectionTypes(leaf), directory.RoleProjectAdmin), "", true},
		{"of both, and bound to the account", admin(withConnectionTypes(leaf), directory.RoleProjectAdmin), "account=APP", true},
		{"of both, and bound to one", admin(withConnectionTypes(leaf), directory.RoleProjectAdmin), "project=shop", false},
		{"of one, and publisher in the other", admin(withConnectionTypes(leaf), directory.RolePublisher), "", false},
	} {
		g, err := derive(t, newPolicy(), snapshotOf(t, tt.r), "ann", selection(tt.sel))
		if tt.ok != (err == nil && slices.Equal(g.ConnectionTypes, leaf["ann"])) {
			t.Errorf("%s: %v, %v", tt.name, g.ConnectionTypes, err)
		}
	}
	more := admin(withConnectionTypes(leaf), directory.RoleProjectAdmin)
	more.Projects = append(more.Projects, directory.Project{Name: "new", Account: "APP"})
	if _, err := derive(t, newPolicy(), snapshotOf(t, more), "ann", identity.Selection{}); !errors.Is(err, permissions.ErrLeafNode) {
		t.Errorf("with one more project: %v", err)
	}
}

// A project that cannot be read may be in the account, so a leaf node is neither granted
// nor denied.
func TestInvariant0Unreadable(t *testing.T) {
	withUnreadable := func(far ...directory.ConnectionType) *snapshot.Snapshot {
		s := snapshotOf(t, withConnectionTypes(map[string][]directory.ConnectionType{"far": far, "root": {leafNode}, "ann": {leafNode}}))
		s, _, problems := s.Apply([]directory.Entry{{Key: directory.ProjectKey(uuid.New()), Value: &directory.Unreadable{}, Revision: 1 << 20}})
		if problems != nil {
			t.Fatal(problems)
		}
		return s
	}
	s, both := withUnreadable(leafNode), withUnreadable(leafNode, standard)
	for _, tt := range []struct {
		user, selection string
		want            error
	}{
		{"far", "project=moon", permissions.ErrUndecided},
		{"ann", "", permissions.ErrLeafNode}, // another project, which can be read, denies it
		{"root", "", nil},
	} {
		if _, err := derive(t, newPolicy(), s, tt.user, selection(tt.selection)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.user, err)
		}
	}
	// Only leaf nodes are undecided.
	for connection, want := range map[string]error{"STANDARD": nil, "LEAFNODE": permissions.ErrUndecided} {
		g, err := derive(t, newPolicy(), both, "far", selection("project=moon"))
		if err == nil {
			err = newPolicy().Connect(&g, "far", identity.Connection{Types: []string{connection}})
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", connection, err)
		}
	}
}

// Invariant 0 where a user JWT is issued.
func TestInvariant0Validate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*permissions.Grant)
		ok     bool
	}{
		{"with connection types", func(*permissions.Grant) {}, true},
		{"without connection types", func(g *permissions.Grant) { g.ConnectionTypes = nil }, false},
		{"a leaf node", func(g *permissions.Grant) { g.ConnectionTypes = []directory.ConnectionType{leafNode} }, false},
		{"a leaf node, of the whole account", func(g *permissions.Grant) {
			g.ConnectionTypes, g.WholeAccount = []directory.ConnectionType{leafNode}, true
		}, true},
		{"a connection that is none of them", func(g *permissions.Grant) { g.Connection.Types = []string{"LEAFNODE", "LEAFNODE_WS"} }, false},
		{"a connection that is one of them", func(g *permissions.Grant) { g.Connection.Types = []string{"STANDARD", "IN_PROCESS"} }, true},
		{"a connection of an unknown type", func(g *permissions.Grant) { g.Connection.Types = []string{"Router"} }, false},
		{"a leaf node with a scope", func(g *permissions.Grant) {
			*g = permissions.Grant{Account: "APP", Scope: "publisher", Connection: identity.Connection{Types: []string{"LEAFNODE"}}}
		}, false},
		{"a client with a scope", func(g *permissions.Grant) {
			*g = permissions.Grant{Account: "APP", Scope: "publisher", Connection: identity.Connection{Types: []string{"STANDARD"}}}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := validGrant(pubAllow("a"), subAllow("b"))
			tt.change(g)
			checkValid(t, newPolicy().Validate(g), tt.ok)
		})
	}
	if err := permissions.ValidateConnected(validGrant()); !errors.Is(err, permissions.ErrInvariant) {
		t.Errorf("a grant without a connection is valid: %v", err)
	}
}

func TestConnect(t *testing.T) {
	mqtt := []string{"MQTT", "MQTT_WS"}
	for _, tt := range []struct {
		name  string
		types []string
		id    string
		want  error
	}{
		{"no connection", nil, "", nil},
		{"a client", []string{"STANDARD", "IN_PROCESS"}, "", nil},
		{"a leaf node", []string{"LEAFNODE", "LEAFNODE_WS"}, "", permissions.ErrLeafNode},
		{"a type that is not listed", []string{"WEBSOCKET"}, "", permissions.ErrConnectionType},
		{"an unknown type", []string{"Gateway"}, "", permissions.ErrConnectionType},
		{"no types", []string{}, "", permissions.ErrConnectionType},
		{"the user's name", mqtt, "pia", nil},
		{"the user's name and more", mqtt, "pia:phone", nil},
		{"that of another user", mqtt, "carl", permissions.ErrMQTTClientID},
		{"that of another user with the same beginning", mqtt, "piano", permissions.ErrMQTTClientID},
		{"no client id", mqtt, "", permissions.ErrMQTTClientID},
	} {
		for _, scope := range []string{"", "publisher"} {
			g := permissions.Grant{Account: "APP", Scope: scope}
			if scope == "" {
				g.ConnectionTypes = []directory.ConnectionType{standard, directory.ConnectionMQTT}
			} else if errors.Is(tt.want, permissions.ErrConnectionType) && len(tt.types) > 0 && tt.types[0] == "WEBSOCKET" {
				continue // the template decides
			}
			err := newPolicy().Connect(&g, "pia", identity.Connection{Types: tt.types, MQTTClientID: tt.id})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%s, scope %q: got %v", tt.name, scope, err)
			}
		}
	}
	p := newPolicy()
	p.AnyMQTTClientID = []string{"OTHER"}
	for account, ok := range map[string]bool{"APP": false, "OTHER": true} {
		g := permissions.Grant{Account: account, ConnectionTypes: []directory.ConnectionType{directory.ConnectionMQTT}}
		if err := p.Connect(&g, "pia", identity.Connection{Types: mqtt, MQTTClientID: "x"}); (err == nil) != ok {
			t.Errorf("%s: %v", account, err)
		}
	}
}
