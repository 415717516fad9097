package permissions

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/directory"
	"usher/identity"
)

// Denials of verified identities because of how they connect.
var (
	// ErrLeafNode: the user's roles or connection types do not allow a leaf node.
	ErrLeafNode = errors.New("a leaf node needs the connection type, and role service_admin or project_admin in every project of the account")
	// ErrConnectionType: the user's connection types do not include that of the connection.
	ErrConnectionType = errors.New("the user may not use this connection type")
	// ErrMQTTClientID: the MQTT client id does not belong to the user.
	ErrMQTTClientID = errors.New("the user may not use this MQTT client id")
)

// ErrUndecided: a leaf node cannot be granted or denied, because an unreadable entry of
// the directory may be a project in the account.
var ErrUndecided = errors.New("a project that cannot be read may be in the account")

// enforcedTypes lists the connection types for which nats-server checks the permissions
// of every publish and subscription: the default of a user without connection types.
// For leaf nodes it does not check $JS.ACK.> and _R_.> (docs/reference/connections.md).
func enforcedTypes() []directory.ConnectionType {
	return []directory.ConnectionType{
		directory.ConnectionStandard, directory.ConnectionWebSocket,
		directory.ConnectionMQTT, directory.ConnectionMQTTWS, directory.ConnectionInProcess,
	}
}

// setConnectionTypes sets the connection types of g: the user's, or else all enforced
// ones. It leaves out leaf nodes, which are not enforced, unless the user may do
// everything in the account anyway.
func (g *Grant) setConnectionTypes(requested []directory.ConnectionType, entitlements []entitlement, f *directory.Facts) error {
	g.ConnectionTypes = requested
	switch {
	case len(requested) == 0:
		g.ConnectionTypes = enforcedTypes()
		return nil
	case !slices.ContainsFunc(requested, directory.ConnectionType.OfLeafNode):
		return nil
	}
	var certain bool
	if g.WholeAccount, certain = wholeAccount(entitlements, f); g.WholeAccount {
		return nil
	}
	g.leafNodeErr = ErrLeafNode
	if !certain {
		g.leafNodeErr = ErrUndecided
	}
	g.ConnectionTypes = slices.DeleteFunc(slices.Clone(requested), directory.ConnectionType.OfLeafNode)
	if len(g.ConnectionTypes) == 0 { // nats-server would take none for any
		return fmt.Errorf("%w; the user has no other connection_types", g.leafNodeErr)
	}
	return nil
}

// wholeAccount reports whether entitlements in one account give everything in it: those
// of a service_admin do, and those of a project_admin of every project. certain is
// false if an unreadable entry of the directory could change the result.
func wholeAccount(entitlements []entitlement, f *directory.Facts) (all, certain bool) {
	admin := 0 // projects
	for i := range entitlements {
		switch m := entitlements[i].membership; {
		case m == nil && entitlements[i].role == directory.ServiceRoleAdmin:
			return true, true
		case m != nil && m.Has(directory.RoleProjectAdmin):
			admin++
		}
	}
	n, certain := f.ProjectsIn(entitlements[0].account)
	if admin == 0 || admin < n {
		return false, true
	}
	return certain, certain
}

// Connect makes g the grant for one connection of the user called name. The errors are
// ErrLeafNode, ErrConnectionType, ErrMQTTClientID and ErrUndecided. Without a
// connection (c.Types is nil) there is no error, but no user JWT is issued either
// (ValidateConnected).
func (p *Policy) Connect(g *Grant, name string, c identity.Connection) error {
	g.Connection = c
	if c.Types == nil {
		return nil
	}
	if err := g.checkTypes(); err != nil {
		return err
	}
	if isMQTT(c.Types) && !slices.Contains(p.AnyMQTTClientID, g.Account) && !ownsMQTTClientID(name, c.MQTTClientID) {
		if c.MQTTClientID == "" {
			return fmt.Errorf("%w: the client sent none; it must be the user name, or begin with the user name and a colon", ErrMQTTClientID)
		}
		return fmt.Errorf("%w: it must be the user name, or begin with the user name and a colon", ErrMQTTClientID)
	}
	return nil
}

// checkTypes checks that the grant is for the type of the connection.
func (g *Grant) checkTypes() error {
	types := g.Connection.Types
	if slices.ContainsFunc(types, func(t string) bool { return slices.Contains(g.types(), directory.ConnectionType(t)) }) {
		return nil
	}
	if slices.ContainsFunc(types, func(t string) bool { return directory.ConnectionType(t).OfLeafNode() }) {
		return cmp.Or(g.leafNodeErr, ErrLeafNode)
	}
	return fmt.Errorf("%w: %s", ErrConnectionType, strings.Join(types, " or "))
}

// types returns the connection types that the grant is for. With a scope these are all
// for which nats-server enforces the template.
func (g *Grant) types() []directory.ConnectionType {
	if g.Scope != "" {
		return enforcedTypes()
	}
	return g.ConnectionTypes
}

func isMQTT(types []string) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		return directory.ConnectionType(t) == directory.ConnectionMQTT || directory.ConnectionType(t) == directory.ConnectionMQTTWS
	})
}

// ownsMQTTClientID reports whether an MQTT client id belongs to the user called name.
// All users of an account share its MQTT sessions: nats-server gives a session, with
// its subscriptions and messages, to any client that presents its id. User names have
// no colon.
func ownsMQTTClientID(name, id string) bool {
	rest, ok := strings.CutPrefix(id, name)
	return ok && name != "" && (rest == "" || rest[0] == ':')
}

// validateConnection checks invariant 0 (docs/reference/connections.md): a grant holds only for
// connection types for which the server enforces it.
func (g *Grant) validateConnection() error {
	switch {
	case g.Scope == "" && len(g.ConnectionTypes) == 0:
		return fmt.Errorf("%w: no connection types, so it would hold for leaf nodes", ErrInvariant)
	case !g.WholeAccount && slices.ContainsFunc(g.ConnectionTypes, directory.ConnectionType.OfLeafNode):
		return fmt.Errorf("%w: a leaf node for roles that do not give the whole account", ErrInvariant)
	case g.Connection.Types == nil:
		return nil
	}
	if err := g.checkTypes(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	return nil
}

// ValidateConnected checks that Connect has checked g for a connection. The issuer calls
// it.
func ValidateConnected(g *Grant) error {
	if g.Connection.Types == nil {
		return fmt.Errorf("%w: not for a connection", ErrInvariant)
	}
	return nil
}
