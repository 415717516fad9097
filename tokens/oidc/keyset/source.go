package keyset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"usher/internal/ownedfile"
	"usher/tokens/backend"
)

// Document is a key set as its source has it.
type Document struct {
	Text []byte
	Age  time.Duration // how old it was when it came, as from a cache on the way
}

// Source has the key set of an authority. Its errors contain no secret.
type Source interface {
	Fetch(ctx context.Context) (Document, error)
}

// File is a key set in a file.
type File struct{ Path string }

// Fetch implements Source.
func (f File) Fetch(context.Context) (Document, error) {
	text, _, err := ownedfile.Read(f.Path, ownedfile.Rule{Max: maxDocument})
	return Document{Text: text}, err
}

// HTTP is a key set at a URL, or at the one that discovery gives.
type HTTP struct {
	Client    *http.Client
	URL       string // of the key set; empty: it is discovered
	Issuer    string // for OpenID Connect Discovery
	TokenFile string // bearer token for URL, read at each request; empty: none
}

// Fetch implements Source.
func (h *HTTP) Fetch(ctx context.Context) (Document, error) {
	client := *h.Client
	client.Transport = strict{h.Client.Transport}
	url := h.URL
	if url == "" {
		var err error
		if url, err = discover(oidc.ClientContext(ctx, &client), h.Issuer); err != nil {
			return Document{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("Cache-Control", "no-cache") // an older key set would be asked for again
	if h.TokenFile != "" {
		token, err := bearer(h.TokenFile)
		if err != nil {
			return Document{}, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys: %w", err)
	}
	return Document{Text: text, Age: age(resp.Header)}, nil
}

// discover returns the URL of the issuer's key set (OpenID Connect Discovery 1.0
// section 4).
func discover(ctx context.Context, issuer string) (string, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	var mismatch *oidc.IssuerMismatchError
	if errors.As(err, &mismatch) {
		return "", fmt.Errorf("discovery: the document is of issuer %.200q, not of %q", mismatch.Discovered, issuer)
	}
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	var document struct {
		JWKSURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return "", errors.New("discovery: jwks_uri is not a text")
	}
	if err := backend.CheckURL(document.JWKSURL); err != nil {
		return "", fmt.Errorf("discovery: jwks_uri %w", err)
	}
	return document.JWKSURL, nil
}

// maxToken is the size limit of a bearer token file.
const maxToken = 16 << 10

// bearer reads a token. Kubernetes mounts it readable for everybody in the container, so
// this is no secret file; but nobody else may have written it.
func bearer(path string) (string, error) {
	text, _, err := ownedfile.Read(path, ownedfile.Rule{Max: maxToken})
	if err != nil {
		return "", fmt.Errorf("bearer token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("bearer token: %s does not contain one token", path)
	}
	return token, nil
}

func age(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Age"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// strict makes an error of every response but a small JSON document, before anybody reads
// it or quotes it in an error.
type strict struct{ next http.RoundTripper }

func (s strict) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		err = fmt.Errorf("the answer is a redirect (status %d), and usher follows none", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("the answer has status %d", resp.StatusCode)
	case !slices.Contains([]string{"application/json", "application/jwk-set+json"}, kind):
		err = fmt.Errorf("the answer has content type %.60q instead of application/json", kind)
	case resp.ContentLength > maxDocument:
		err = errTooLarge
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: maxDocument}
	return resp, nil
}

var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxDocument)

// limited is a body that ends with an error where it is too large.
type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	if len(p) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= n; l.left < 0 {
		return n, errTooLarge
	}
	return n, err
}
