package sessions

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/s2"

	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

// ErrBatch: the bytes are not a batch of this version of usher.
var ErrBatch = errors.New("not a batch of sessions")

// ErrUnreadable: some sessions of a batch could not be read.
var ErrUnreadable = errors.New("some sessions of the batch cannot be read")

// Decode returns the sessions of a batch. It takes bytes from anywhere: what it allocates is
// bounded, some 100 MB for the worst of them. The sessions share memory. It leaves out a
// session that it cannot read, and then returns ErrUnreadable beside the others.
func Decode(data []byte) ([]*session.Session, error) {
	if len(data) == 0 || len(data) > maxBatch || data[0] != wireVersion {
		return nil, ErrBatch
	}
	data = data[1:]
	if n, err := s2.DecodedLen(data); err != nil || n > maxPlain {
		return nil, ErrBatch
	}
	plain, err := s2.Decode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBatch, err)
	}
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	all, err := c.decodeBatch(plain)
	switch {
	case errors.Is(err, ErrUnreadable):
		return all, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBatch, err)
	}
	return all, nil
}

func (c *codec) decodeBatch(plain []byte) ([]*session.Session, error) {
	var b wireBatch
	if err := c.batch.Unmarshal(plain, &b); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if len(b.Sessions) > maxSessions || len(b.Peers) > maxSessions || len(b.Grants) > maxSessions || len(b.Principals) > maxSessions {
		return nil, ErrTooLarge
	}
	grants, err := decodeGrants(c.dec, b.Grants)
	if err != nil {
		return nil, err
	}
	peers, principals := decodeEach[wirePeer](c.dec, b.Peers), decodeEach[wirePrincipal](c.dec, b.Principals)
	var unreadable error
	all := make([]*session.Session, 0, len(b.Sessions))
	for i := range b.Sessions {
		w := &b.Sessions[i]
		peer, ok1 := at(peers, w.Peer)
		principal, ok2 := at(principals, w.Principal)
		if !ok1 || !ok2 {
			return nil, errPlace
		}
		if peer == nil || principal == nil {
			unreadable = ErrUnreadable
			continue
		}
		grant, ok := at(grants, principal.Grant)
		if !ok {
			return nil, errPlace
		}
		if grant == nil {
			unreadable = ErrUnreadable
			continue
		}
		all = append(all, w.session(peer, principal, grant))
	}
	return all, unreadable
}

// errPlace: a session refers to something that the batch does not have.
var errPlace = errors.New("refers to something that is not there")

func at[T any](list []*T, n int) (*T, bool) {
	if n < 0 || n >= len(list) {
		return nil, false
	}
	return list[n], true
}

// decodeEach returns nil in place of what cannot be read.
func decodeEach[T any](mode cbor.DecMode, list []cbor.RawMessage) []*T {
	out := make([]*T, len(list))
	for i := range list {
		v := new(T)
		if err := mode.Unmarshal(list[i], v); err == nil {
			out[i] = v
		}
	}
	return out
}

func decodeGrants(mode cbor.DecMode, list []cbor.RawMessage) ([]*permissions.Grant, error) {
	out, rules := make([]*permissions.Grant, len(list)), 0
	for i := range list {
		var w wireGrant
		if err := mode.Unmarshal(list[i], &w); err != nil {
			continue
		}
		if rules += len(w.Rules); rules > maxRules {
			return nil, ErrTooLarge
		}
		g := w.grant()
		out[i] = &g
	}
	return out, nil
}

func (w *wireGrant) grant() permissions.Grant {
	g := permissions.Grant{
		Account: w.Account, Scope: w.Scope, InboxPrefix: w.InboxPrefix, ConnectionTypes: w.Types,
		WholeAccount: w.WholeAccount, Networks: w.Networks, NotAfter: w.NotAfter.time(), Tags: w.Tags,
	}
	if len(w.Rules) > 0 {
		g.Rules = make([]permissions.Rule, len(w.Rules))
	}
	for i := range w.Rules {
		r := &w.Rules[i]
		g.Rules[i] = permissions.Rule{
			Side: permissions.Side(r.Side), Effect: permissions.Effect(r.Effect), Subject: r.Subject,
			Origin: permissions.Origin{Source: permissions.Source(r.Source), Role: r.Role, Project: r.Project, Resource: r.Resource, Name: r.Name},
		}
	}
	return g
}

func (w *wireSession) session(peer *wirePeer, p *wirePrincipal, g *permissions.Grant) *session.Session {
	s := &session.Session{
		ID: session.ID{Server: peer.Server, Client: w.Client}, ServerName: peer.ServerName, RequestID: w.RequestID,
		Identity: identity.Identity{
			Name: p.Name, ID: p.ID, Attributes: p.Attributes, Authority: p.Authority, Method: p.Method, KeyID: p.KeyID, KeyPrint: p.KeyPrint,
			NotAfter: p.NotAfter.time(), Networks: p.Networks,
			Selection: identity.Selection{Project: p.Project, Account: p.Account, OwnName: p.OwnName},
		},
		Verifier: p.Verifier, Rules: p.Rules, Profile: p.Profile, Ruleset: p.Ruleset, Revision: w.Revision,
		Grant: *g, UserNKey: unpackNKey(w.UserNKey), Started: w.Started.time(), Expires: w.Expires.time(), Follows: w.Follows.time(),
		Client:   tokens.Client{Name: peer.Name, Lang: peer.Lang, Version: peer.Version, Kind: peer.Kind, Type: peer.Type},
		Instance: peer.Instance, Adopted: p.Adopted,
	}
	copy(s.Digest[:], p.Digest)
	if s.Decided = s.Started; w.Decided != nil {
		s.Decided = w.Decided.time()
	}
	if w.Addr != nil && *w.Addr != (netip.Addr{}) {
		s.Addr = *w.Addr
	}
	s.Grant.Connection = identity.Connection{Types: peer.Types, MQTTClientID: w.MQTTClientID}
	return s
}
