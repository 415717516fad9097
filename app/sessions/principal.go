package sessions

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unique"

	"usher/callout/session"
	"usher/identity"
)

// principal is who has a session, by which credential and with which grant. Sessions that
// are equal in these share one. But for its links it never changes.
type principal struct {
	text       string // name, then key id
	nameLength uint32
	sessions   uint32
	digest     [32]byte
	kind       unique.Handle[kind]
	grant      *grant
	detail     *detail // nil: none
	next       *principal
	hash       uint64
	keyPrint   uint64
}

func (p *principal) name() string  { return p.text[:p.nameLength] }
func (p *principal) keyID() string { return p.text[p.nameLength:] }

// kind is what principals have in common who come the same way.
type kind struct {
	authority         identity.Authority
	method            identity.Method
	verifier, profile string
	rules             string // names, joined
	adopted           bool
	ruleset           uint64
}

func kindOf(s *session.Session) unique.Handle[kind] {
	return unique.Make(kind{s.Identity.Authority, s.Identity.Method, s.Verifier, s.Profile, joined(s.Rules), s.Adopted, s.Ruleset})
}

// detail is what a principal with an API key without an end does not have.
type detail struct {
	id                      string
	attributes              string // CBOR
	selection               identity.Selection
	notAfter, grantNotAfter time.Time
	networks, grantNetworks []netip.Prefix
}

// detailOf returns nil if s has none.
func (r *Registry) detailOf(s *session.Session) *detail {
	id, g := &s.Identity, &s.Grant
	if id.ID == "" && len(id.Attributes) == 0 && id.Selection == (identity.Selection{}) &&
		id.NotAfter.IsZero() && g.NotAfter.IsZero() && len(id.Networks) == 0 && len(g.Networks) == 0 {
		return nil
	}
	return &detail{
		id: id.ID, attributes: r.packAttributes(id.Attributes), selection: id.Selection,
		notAfter: utc(id.NotAfter), grantNotAfter: utc(g.NotAfter), networks: id.Networks, grantNetworks: g.Networks,
	}
}

// utc returns t without the clock reading that == would compare.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

func (d *detail) equals(o *detail) bool {
	if d == nil || o == nil {
		return d == o
	}
	return d.id == o.id && d.attributes == o.attributes && d.selection == o.selection &&
		d.notAfter.Equal(o.notAfter) && d.grantNotAfter.Equal(o.grantNotAfter) &&
		slices.Equal(d.networks, o.networks) && slices.Equal(d.grantNetworks, o.grantNetworks)
}

// newPrincipal copies what is short out of the memory of others, such as that of a
// directory's snapshot, which it would keep.
func newPrincipal(in *incoming, g *grant) *principal {
	s := in.s
	p := &principal{
		text: join(s.Identity.Name, s.Identity.KeyID), nameLength: uint32(len(s.Identity.Name)), //nolint:gosec // short
		digest: s.Digest,
		kind:   in.kind, grant: g, hash: in.hash, keyPrint: s.Identity.KeyPrint,
	}
	if in.detail != nil {
		d := *in.detail
		d.id, d.networks, d.grantNetworks = strings.Clone(d.id), slices.Clone(d.networks), slices.Clone(d.grantNetworks)
		d.selection.Project, d.selection.Account = strings.Clone(d.selection.Project), strings.Clone(d.selection.Account)
		p.detail = &d
	}
	return p
}

// join always copies, as + does not if one of both is empty.
func join(a, b string) string { return string(append([]byte(a), b...)) }

// is reports whether p is the principal of a session.
func (p *principal) is(in *incoming) bool {
	s := in.s
	return p.name() == s.Identity.Name && p.keyID() == s.Identity.KeyID && p.digest == s.Digest &&
		p.kind == in.kind && p.keyPrint == s.Identity.KeyPrint && p.detail.equals(in.detail) && p.grant.is(in)
}

// show sets what filters look at, but for rules, subjects and projects, without allocating.
func (p *principal) show(s *session.Session) {
	k := p.kind.Value()
	s.Identity = identity.Identity{Name: p.name(), KeyID: p.keyID(), Authority: k.authority, Method: k.method, KeyPrint: p.keyPrint}
	s.Verifier, s.Profile, s.Adopted, s.Ruleset, s.Digest = k.verifier, k.profile, k.adopted, k.ruleset, p.digest
	if d := p.detail; d != nil {
		s.Identity.ID, s.Identity.Selection, s.Identity.NotAfter, s.Identity.Networks = d.id, d.selection, d.notAfter, d.networks
		s.Grant.NotAfter, s.Grant.Networks = d.grantNotAfter, d.grantNetworks
	}
	h := p.grant.head
	s.Grant.Account, s.Grant.Scope, s.Grant.WholeAccount = h.account, h.scope, h.wholeAccount
}

// complete sets the rest, but for the attributes.
func (p *principal) complete(s *session.Session) {
	s.Rules = split(p.kind.Value().rules)
	p.grant.complete(&s.Grant, p)
}
