package sessions

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nkeys"

	"usher/callout/session"
	"usher/permissions"
)

// ErrTooLarge: a session does not fit into a batch.
var ErrTooLarge = errors.New("the session is too large for a batch")

// batchSize is how many sessions Encode tries to put into a batch.
const batchSize = 1024

// Encode makes batches of at most limit bytes. Each has what its sessions have in common
// only once, so sessions of one user are best given together. It leaves out a session that
// does not fit alone, and then returns ErrTooLarge beside the batches. It leaves out
// attributes that Decode would not read.
func Encode(all []*session.Session, limit int) (batches [][]byte, err error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	limit = min(limit, maxBatch)
	for len(all) > 0 {
		part := all[:min(batchSize, len(all))]
		all = all[len(part):]
		made, failed := encodeParts(c, part, limit)
		batches, err = append(batches, made...), errors.Join(err, failed)
	}
	return batches, err
}

// encodeParts halves part until each half fits.
func encodeParts(c *codec, part []*session.Session, limit int) ([][]byte, error) {
	e := encoder{codec: c, mode: c.enc}
	batch, err := e.encode(part)
	switch {
	case err == nil && len(batch) <= limit:
		return [][]byte{batch}, nil
	case err != nil && !errors.Is(err, ErrTooLarge):
		return nil, err
	case len(part) == 1:
		return nil, fmt.Errorf("%w: %s", ErrTooLarge, part[0].ID)
	}
	first, err := encodeParts(c, part[:len(part)/2], limit)
	second, err2 := encodeParts(c, part[len(part)/2:], limit)
	return append(first, second...), errors.Join(err, err2)
}

// encoder makes one batch.
type encoder struct {
	codec                     *codec
	mode                      cbor.EncMode
	peers, grants, principals places
	rules                     int
}

// places numbers what a batch has once.
type places struct {
	of  map[string]int
	all []cbor.RawMessage
}

func (p *places) place(mode cbor.EncMode, v any) (n int, added bool, err error) {
	data, err := mode.Marshal(v)
	if err != nil {
		return 0, false, fmt.Errorf("encode: %w", err)
	}
	if n, ok := p.of[string(data)]; ok {
		return n, false, nil
	}
	if p.of == nil {
		p.of = map[string]int{}
	}
	n = len(p.all)
	p.of[string(data)], p.all = n, append(p.all, data)
	return n, true, nil
}

// undo takes back the last one that was added.
func (p *places) undo() {
	n := len(p.all) - 1
	delete(p.of, string(p.all[n]))
	p.all = p.all[:n]
}

func (e *encoder) encode(part []*session.Session) ([]byte, error) {
	b := wireBatch{Sessions: make([]wireSession, 0, len(part))}
	for _, s := range part {
		w, err := e.session(s)
		if err != nil {
			return nil, err
		}
		b.Sessions = append(b.Sessions, w)
	}
	b.Peers, b.Grants, b.Principals = e.peers.all, e.grants.all, e.principals.all
	plain, err := e.mode.Marshal(&b)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if len(plain) > maxPlain || e.rules > maxRules {
		return nil, ErrTooLarge
	}
	out := make([]byte, 1, 1+s2.MaxEncodedLen(len(plain)))
	out[0] = wireVersion
	return out[:1+len(s2.Encode(out[1:cap(out)], plain))], nil
}

func (e *encoder) session(s *session.Session) (w wireSession, err error) {
	c := &s.Client
	w = wireSession{
		Client: s.ID.Client, RequestID: s.RequestID, Revision: s.Revision, UserNKey: packNKey(s.UserNKey),
		Started: toWireTime(s.Started), Expires: toWireTime(s.Expires), Follows: toWireTime(s.Follows), MQTTClientID: s.Grant.Connection.MQTTClientID,
	}
	if s.Addr.IsValid() {
		w.Addr = &s.Addr
	}
	if !s.Decided.Equal(s.Started) {
		w.Decided = toWireTime(s.Decided)
	}
	w.Peer, _, err = e.peers.place(e.mode, &wirePeer{
		Server: s.Server, ServerName: s.ServerName, Instance: s.Instance,
		Name: c.Name, Lang: c.Lang, Version: c.Version, Kind: c.Kind, Type: c.Type, Types: s.Grant.Connection.Types,
	})
	if err != nil {
		return w, err
	}
	p := toWirePrincipal(s)
	if p.Grant, err = e.grant(&s.Grant); err != nil {
		return w, err
	}
	w.Principal, err = e.principal(p)
	return w, err
}

// principal places a principal. Nobody knows what an identity provider puts into attributes:
// those that Decode would not read are left out, so that they cost no other session.
func (e *encoder) principal(p *wirePrincipal) (int, error) {
	n, added, err := e.principals.place(e.mode, p)
	if len(p.Attributes) == 0 || err == nil && !added {
		return n, err
	}
	if err == nil {
		if e.codec.dec.Unmarshal(e.principals.all[n], new(wirePrincipal)) == nil {
			return n, nil
		}
		e.principals.undo()
	}
	p.Attributes = nil
	n, _, err = e.principals.place(e.mode, p)
	return n, err
}

func toWirePrincipal(s *session.Session) *wirePrincipal {
	id := &s.Identity
	p := &wirePrincipal{
		Name: id.Name, ID: id.ID, Attributes: id.Attributes, Authority: id.Authority, Method: id.Method, KeyID: id.KeyID, KeyPrint: id.KeyPrint,
		NotAfter: toWireTime(id.NotAfter), Networks: id.Networks,
		Project: id.Selection.Project, Account: id.Selection.Account, OwnName: id.Selection.OwnName,
		Verifier: s.Verifier, Rules: s.Rules, Profile: s.Profile, Adopted: s.Adopted, Ruleset: s.Ruleset,
	}
	if s.Digest != [32]byte{} {
		p.Digest = s.Digest[:]
	}
	return p
}

func (e *encoder) grant(g *permissions.Grant) (int, error) {
	w := wireGrant{
		Account: g.Account, Scope: g.Scope, InboxPrefix: g.InboxPrefix, Types: g.ConnectionTypes,
		WholeAccount: g.WholeAccount, Networks: g.Networks, NotAfter: toWireTime(g.NotAfter), Tags: g.Tags,
		Rules: make([]wireRule, 0, len(g.Rules)),
	}
	for i := range g.Rules {
		r, o := &g.Rules[i], &g.Rules[i].Origin
		w.Rules = append(w.Rules, wireRule{
			Side: string(r.Side), Effect: string(r.Effect), Subject: r.Subject,
			Source: string(o.Source), Role: o.Role, Project: o.Project, Resource: o.Resource, Name: o.Name,
		})
	}
	n, added, err := e.grants.place(e.mode, &w)
	if added {
		e.rules += len(g.Rules)
	}
	return n, err
}

// packNKey returns the 32 bytes of a user nkey, or the text if it is none.
func packNKey(text string) []byte {
	if raw, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(text)); err == nil && len(raw) == nkeyLength {
		return raw
	}
	return []byte(text)
}

// nkeyLength is the number of bytes of a public key. The text has 56.
const nkeyLength = 32

// unpackNKey is the inverse of packNKey.
func unpackNKey(data []byte) string {
	if len(data) == nkeyLength {
		if text, err := nkeys.Encode(nkeys.PrefixByteUser, data); err == nil {
			return string(text)
		}
	}
	return string(data)
}
