package directory

import (
	"bytes"
	"errors"
	"strings"
)

// The values of Push.Type.
const (
	PushHTTP       = "http_endpoint"
	PushMattermost = "mattermost"
)

const (
	maxHash   = 128     // bytes of a verification hash; those of usher have 64
	maxHeader = 1 << 10 // bytes of a header; those of usher have 64
	maxSealed = 8 << 10 // bytes of a sealed header
)

// Deliverable reports whether messages may be pushed to the endpoint. A Mattermost webhook
// proves nothing about itself: its address is a secret that only its owner knows.
func (p *Push) Deliverable() bool {
	return p.Type == PushMattermost || p.Verified && p.VerificationHash != ""
}

// Address returns the address to which messages are pushed.
func (p *Push) Address() string {
	if p.Type == PushMattermost {
		return p.MattermostURL
	}
	return p.Endpoint
}

// Same reports whether two configurations are the same.
func (p *Push) Same(other *Push) bool {
	if p == nil || other == nil {
		return p == other
	}
	x, y := *p, *other
	x.Authorization, y.Authorization = nil, nil
	return x == y && p.Authorization.same(other.Authorization)
}

func (a *PushAuthorization) same(b *PushAuthorization) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Header == b.Header && bytes.Equal(a.Sealed, b.Sealed) && bytes.Equal(a.Previous, b.Previous) && a.PreviousUntil.Equal(b.PreviousUntil)
}

// CheckHeader reports why a text cannot be the value of an Authorization header. The message
// quotes nothing.
func CheckHeader(header string) error {
	if header == "" || len(header) > maxHeader || strings.ContainsFunc(header, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("expected up to 1024 printable characters of ASCII without spaces")
	}
	return nil
}

// Check reports what is wrong with how an endpoint is verified and with its header. The
// message quotes nothing.
func (p *Push) Check() error {
	if p == nil {
		return nil
	}
	hash := p.VerificationHash
	switch {
	case len(hash) > maxHash || strings.ContainsFunc(hash, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errors.New("verification_hash: expected up to 128 printable characters of ASCII without spaces")
	case p.Verified && p.Type != PushMattermost && hash == "":
		return errors.New("verified: an endpoint without verification_hash cannot be verified")
	}
	if a := p.Authorization; a != nil {
		switch {
		case a.Header != "" && len(a.Sealed) > 0:
			return errors.New("authorization: expected header or sealed, not both")
		case a.Header != "":
			return CheckHeader(a.Header)
		case len(a.Sealed) == 0 || len(a.Sealed) > maxSealed || len(a.Previous) > maxSealed:
			return errors.New("authorization: expected a value that usher has sealed")
		case len(a.Previous) == 0 && !a.PreviousUntil.IsZero():
			return errors.New("authorization: previous_until without previous")
		}
	}
	return nil
}
