package jwt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
)

// Faults of a token. The errors of this package wrap one of them.
var (
	ErrTooLarge  = errors.New("the token is too large")
	ErrMalformed = errors.New("the token is malformed")
	ErrEncrypted = errors.New("the token is encrypted")
	ErrHeader    = errors.New("the token's header is refused")
	ErrAlgorithm = errors.New("the token's algorithm is refused")
	ErrClaims    = errors.New("the token's claims are refused")
	// ErrNATS: the token is a user JWT of NATS, which is no bearer token.
	ErrNATS = errors.New("a JWT of NATS")
)

// Token is a token that was read. Nothing in it is true before Verify.
type Token struct {
	Header
	Claims map[string]any // strings, float64, json.Number, bool, nil, []any and map[string]any

	signed    string // header and payload, as they came
	signature []byte
}

// Parser reads tokens. It is safe for concurrent use.
type Parser struct {
	maxSize  int
	decoders sync.Pool // of *jsontext.Decoder

	// headers are what Remember was told, by their text: all tokens that an authority
	// signs with one key usually have the same. The map does not change.
	headers atomic.Pointer[map[string]Header]
}

// maxHeaders is how many headers are remembered.
const maxHeaders = 256

// NewParser returns a parser of tokens of at most maxSize bytes.
func NewParser(maxSize int) *Parser {
	return &Parser{maxSize: maxSize, decoders: sync.Pool{New: func() any { return new(jsontext.Decoder) }}}
}

// Recognise reports whether text has the shape of a token: a dot, and before it what may
// be a JSON object in base64url.
func Recognise(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != 'e' || text[1] != 'y' && text[1] != 'w' { // a brace, then a quote or white space
		return false
	}
	return strings.Contains(text, ".")
}

// Remember keeps the header of a token, so that it is not read again. The token has been
// verified: others could fill the memory with headers of their own.
func (p *Parser) Remember(t *Token) {
	known := p.headers.Load()
	text, _, _ := strings.Cut(t.signed, ".")
	headers := map[string]Header{}
	if known != nil {
		if _, ok := (*known)[text]; ok {
			return
		}
		if len(*known) < maxHeaders { // otherwise the keys have changed often
			headers = maps.Clone(*known)
		}
	}
	headers[strings.Clone(text)] = t.Header   // and not the token that it is a part of
	p.headers.CompareAndSwap(known, &headers) // whoever loses comes again
}

// Parse reads a token.
func (p *Parser) Parse(text string) (*Token, error) {
	signed, signature, err := p.split(text)
	if err != nil {
		return nil, err
	}
	header, payload, _ := strings.Cut(signed, ".")
	t := &Token{signed: signed}
	if t.Header, err = p.header(header); err != nil {
		return nil, err
	}
	raw, err := decode(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: the payload %w", ErrMalformed, err)
	}
	if t.signature, err = decode(signature); err != nil {
		return nil, fmt.Errorf("%w: the signature %w", ErrMalformed, err)
	}
	if t.Claims, err = p.object(raw); err != nil {
		return nil, fmt.Errorf("%w: the payload %w", ErrMalformed, err)
	}
	return t, nil
}

// PeekHeader reads the header alone. It reports false if Parse would fail at it.
func (p *Parser) PeekHeader(text string) (Header, bool) {
	signed, _, err := p.split(text)
	if err != nil {
		return Header{}, false
	}
	part, _, _ := strings.Cut(signed, ".")
	h, err := p.header(part)
	return h, err == nil
}

// PeekIssuer reads the first claim iss alone. Where there are several, Parse refuses the
// token. It is mostly among the first claims: where it is not, or is cut off, all of the
// payload is read.
func (p *Parser) PeekIssuer(text string) (string, bool) {
	signed, _, err := p.split(text)
	if err != nil {
		return "", false
	}
	_, payload, _ := strings.Cut(signed, ".")
	for _, part := range []string{payload[:min(len(payload), peekSize)], payload} {
		raw, err := decode(part)
		if err != nil {
			return "", false
		}
		if issuer, ok := p.firstIssuer(raw); ok {
			return issuer, true
		}
	}
	return "", false
}

// peekSize is how much of a payload PeekIssuer reads at first: whole groups of base64.
const peekSize = 64 * 4

// split returns what is signed, and the signature in base64url.
func (p *Parser) split(text string) (signed, signature string, err error) {
	if len(text) > p.maxSize {
		return "", "", fmt.Errorf("%w: it has %d bytes, and at most %d are read", ErrTooLarge, len(text), p.maxSize)
	}
	switch strings.Count(text, ".") {
	case 2:
	case 4:
		return "", "", fmt.Errorf("%w: it has five parts", ErrEncrypted)
	default:
		return "", "", fmt.Errorf("%w: it does not have three parts", ErrMalformed)
	}
	at := strings.LastIndexByte(text, '.')
	return text[:at], text[at+1:], nil
}

var (
	errBase64  = errors.New("is not base64url in its one canonical form")
	errNewLine = errors.New("contains a line break")
)

// canonical refuses other encodings of the same bytes, but for line breaks, which it
// skips.
var canonical = base64.RawURLEncoding.Strict()

func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errNewLine
	}
	raw, err := canonical.DecodeString(part)
	if err != nil {
		return nil, errBase64
	}
	return raw, nil
}
