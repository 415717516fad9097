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

// Denials of identities that are known, and come in a way that is not theirs.
var (
	ErrLeafNode       = errors.New("a leaf node is granted only to a service_admin, or a project_admin of every project of the account, whose connection_types name it")
	ErrConnectionType = errors.New("not a way in which the user may connect")
	ErrMQTTClientID   = errors.New("the MQTT client id is not the user's")
)

// ErrUndecided: an entry of the directory that cannot be read may say otherwise.
var ErrUndecided = errors.New("a project that cannot be read may be in the account")

// enforced are the connection types in which nats-server checks what a grant
// says, of every publish and of every subscription: what may be done where a user
// names none. It does not for leaf nodes, whose $JS.ACK.> and _R_.> pass
// unchecked (docs/reference/connections.md).
func enforced() []directory.ConnectionType {
	return []directory.ConnectionType{
		directory.ConnectionStandard, directory.ConnectionWebSocket,
		directory.ConnectionMQTT, directory.ConnectionMQTTWS, directory.ConnectionInProcess,
	}
}

// limitTypes states the ways in which g may be used: those that the user names,
// or else all that are enforced. What is not enforced is left out, unless there
// is nothing in the account that the user may not do anyway.
func (g *Grant) limitTypes(named []directory.ConnectionType, parts []part, f *directory.Facts) error {
	g.ConnectionTypes = named
	switch {
	case len(named) == 0:
		g.ConnectionTypes = enforced()
		return nil
	case !slices.ContainsFunc(named, directory.ConnectionType.OfLeafNode):
		return nil
	}
	var certain bool
	if g.WholeAccount, certain = whole(parts, f); g.WholeAccount {
		return nil
	}
	g.noLeafNode = ErrLeafNode
	if !certain {
		g.noLeafNode = ErrUndecided
	}
	g.ConnectionTypes = slices.DeleteFunc(slices.Clone(named), directory.ConnectionType.OfLeafNode)
	if len(g.ConnectionTypes) == 0 { // nats-server would take that for any
		return fmt.Errorf("%w; the user's connection_types name nothing else", g.noLeafNode)
	}
	return nil
}

// whole reports whether parts, which lie in one account, give everything in it:
// a service_admin's do, and those of a project_admin of every project there is.
// All of them are of one snapshot of the directory. If they do not as far as it
// can be read, and might, certain is false.
func whole(parts []part, f *directory.Facts) (all, certain bool) {
	administered := 0
	for i := range parts {
		switch m := parts[i].membership; {
		case m == nil && parts[i].role == directory.ServiceRoleAdmin:
			return true, true
		case m != nil && m.Has(directory.RoleProjectAdmin):
			administered++
		}
	}
	n, certain := f.ProjectsIn(parts[0].account)
	if administered == 0 || administered < n {
		return false, true
	}
	return certain, certain
}

// Connect makes g a grant for one connection of the user called name, or says why
// it is not: ErrLeafNode, ErrConnectionType, ErrMQTTClientID or ErrUndecided. It is a pure
// function. A connection of which nothing is known is not refused; nothing is
// issued for it either (ValidateConnected).
func (p *Policy) Connect(g *Grant, name string, c identity.Connection) error {
	g.Connection = c
	if c.Types == nil {
		return nil
	}
	if err := g.checkTypes(); err != nil {
		return err
	}
	if ofMQTT(c.Types) && !slices.Contains(p.AnyMQTTClientID, g.Account) && !ownsMQTTClientID(name, c.MQTTClientID) {
		if c.MQTTClientID == "" {
			return fmt.Errorf("%w: the client has none, and it has to be the name of the user, or begin with it and a colon", ErrMQTTClientID)
		}
		return fmt.Errorf("%w: it has to be the name of the user, or begin with it and a colon", ErrMQTTClientID)
	}
	return nil
}

// checkTypes holds that the connection is of a type that the grant is for.
func (g *Grant) checkTypes() error {
	types := g.Connection.Types
	if slices.ContainsFunc(types, func(t string) bool { return slices.Contains(g.types(), directory.ConnectionType(t)) }) {
		return nil
	}
	if slices.ContainsFunc(types, func(t string) bool { return directory.ConnectionType(t).OfLeafNode() }) {
		return cmp.Or(g.noLeafNode, ErrLeafNode)
	}
	return fmt.Errorf("%w: %s", ErrConnectionType, strings.Join(types, " or "))
}

// types returns the ways in which the grant may be used as far as usher says. Of
// a scope that is every way in which nats-server enforces a template.
func (g *Grant) types() []directory.ConnectionType {
	if g.Scope != "" {
		return enforced()
	}
	return g.ConnectionTypes
}

func ofMQTT(types []string) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		return directory.ConnectionType(t) == directory.ConnectionMQTT || directory.ConnectionType(t) == directory.ConnectionMQTTWS
	})
}

// ownsMQTTClientID reports whether an MQTT client id belongs to the user of that
// name. All users of an account share its sessions, and nats-server hands a
// session, and what its last client left in it, to whoever names it. No user's
// name has a colon in it.
func ownsMQTTClientID(name, id string) bool {
	rest, ok := strings.CutPrefix(id, name)
	return ok && name != "" && (rest == "" || rest[0] == ':')
}

// validateConnection checks invariant 0 (docs/reference/connections.md): a grant holds only
// on kinds of connection on which the server enforces it.
func (g *Grant) validateConnection() error {
	switch {
	case g.Scope == "" && len(g.ConnectionTypes) == 0:
		return fmt.Errorf("%w: the connection types are not stated, so it would hold for leaf nodes", ErrInvariant)
	case !g.WholeAccount && slices.ContainsFunc(g.ConnectionTypes, directory.ConnectionType.OfLeafNode):
		return fmt.Errorf("%w: a leaf node, for roles that do not give the whole account", ErrInvariant)
	case g.Connection.Types == nil:
		return nil
	}
	if err := g.checkTypes(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	return nil
}

// ValidateConnected checks that a grant is for a connection, whose type was
// looked at. It is called where user JWTs are issued.
func ValidateConnected(g *Grant) error {
	if g.Connection.Types == nil {
		return fmt.Errorf("%w: it is for no connection", ErrInvariant)
	}
	return nil
}
