package jwt

import (
	"fmt"
	"slices"
)

// maxName is the size limit of kid, in bytes. Real ones have up to 64.
const maxName = 256

// Header is what a verifier needs of a token's header.
type Header struct {
	Algorithm string // one of Algorithms
	KeyID     string // kid; empty: not stated
	Type      string // typ; empty: not stated
}

// refused are the header members that usher does not take, because they would bring a
// key, change what is signed, or say that the payload is something else.
func refused() []string {
	return []string{"crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "zip"}
}

// natsAlgorithms are the algorithms of NATS JWTs (nats-io/jwt versions 2 and 1).
func natsAlgorithms() []string { return []string{"ed25519-nkey", "ed25519"} }

func (p *Parser) header(part string) (Header, error) {
	if known := p.headers.Load(); known != nil {
		if h, ok := (*known)[part]; ok {
			return h, nil
		}
	}
	var h Header
	raw, err := decode(part)
	if err != nil {
		return h, fmt.Errorf("%w: the header %w", ErrMalformed, err)
	}
	members, err := p.object(raw)
	if err != nil {
		return h, fmt.Errorf("%w: the header %w", ErrMalformed, err)
	}
	if _, ok := members["enc"]; ok {
		return h, fmt.Errorf("%w: its header has enc", ErrEncrypted)
	}
	if h.Algorithm, err = text(members, "alg"); err != nil {
		return h, err
	}
	if slices.Contains(natsAlgorithms(), h.Algorithm) {
		return h, ErrNATS
	}
	for _, name := range refused() {
		if _, ok := members[name]; ok {
			return h, fmt.Errorf("%w: it has %s", ErrHeader, name)
		}
	}
	if h.KeyID, err = text(members, "kid"); err != nil {
		return h, err
	}
	if h.Type, err = text(members, "typ"); err != nil {
		return h, err
	}
	if _, ok := algorithms[h.Algorithm]; !ok {
		return h, fmt.Errorf("%w: %.20q is none of those that usher verifies", ErrAlgorithm, h.Algorithm)
	}
	return h, nil
}

// text returns a member of a header that must be text if it is there.
func text(members map[string]any, name string) (string, error) {
	v, ok := members[name]
	if !ok {
		return "", nil
	}
	s, ok := v.(string)
	switch {
	case !ok || s == "":
		return "", fmt.Errorf("%w: %s is not a text", ErrHeader, name)
	case len(s) > maxName:
		return "", fmt.Errorf("%w: %s has more than %d bytes", ErrHeader, name, maxName)
	}
	return s, nil
}
