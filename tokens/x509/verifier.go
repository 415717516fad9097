package x509

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"usher/directory"
	"usher/identity"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/x509/revocation"
)

// maxParsed is how many certificates are kept parsed, about 10 KiB each.
const maxParsed = 4096

// Verifier verifies clients by their certificates.
type Verifier struct {
	cfg     Config
	domains map[spiffeid.TrustDomain]bool
	parsed  *lru.Cache[[sha256.Size]byte, *certificate]

	hits, misses atomic.Uint64
}

// Other parts of usher ask for these.
var (
	_ tokens.Slow       = (*Verifier)(nil)
	_ tokens.Background = (*Verifier)(nil)
	_ tokens.Observable = (*Verifier)(nil)
	_ tokens.Confirmer  = (*Verifier)(nil)
	_ tokens.Rechecker  = (*Verifier)(nil)
)

// NewVerifier returns a Verifier.
func NewVerifier(cfg Config) (*Verifier, error) { //nolint:gocritic // copied once
	domains, err := trustDomains(cfg.TrustDomains)
	if err != nil {
		return nil, err
	}
	if n := identity.Authority(cfg.Name); n == identity.AuthorityDirectory || n == identity.AuthorityUsher {
		return nil, fmt.Errorf("the name %q is that of an authority of usher's own", cfg.Name)
	}
	if cfg.WithToken == "" {
		cfg.WithToken = WithTokenIgnore
	}
	parsed, err := lru.New[[sha256.Size]byte, *certificate](maxParsed)
	if err != nil {
		return nil, err
	}
	return &Verifier{cfg: cfg, domains: domains, parsed: parsed}, nil
}

// Name returns "x509".
func (*Verifier) Name() string { return "x509" }

// applies reports whether the certificate alone may be the credential: beside it there is
// nothing but the sentinel of operator mode, perhaps with the signature of its creds, and
// a user name, which isOwnName checks.
func (v *Verifier) applies(c *tokens.Credential) bool {
	return len(c.VerifiedChains) > 0 && c.AuthToken == "" && c.Password == "" && c.NKey == "" &&
		(c.Signature == "" || c.NATSJWT != "")
}

// isOwnName reports whether a user name may be the one that the certificate's identity
// got. nats-server in operator mode sends it when it asks again
// (identity.Selection.OwnName). Any other one is a token, or a mistake.
func (v *Verifier) isOwnName(cert *certificate, c *tokens.Credential) bool {
	name := c.UserName()
	if v.cfg.Identity == BySubject {
		id, err := v.userOf(cert, c)
		return err == nil && id.Name == name
	}
	if name == mapping.Name(identity.Authority(v.cfg.Name), cert.name) {
		return true
	}
	s := c.Directory(v.cfg.Snapshot) // a rule of identities may have made it a user
	if s == nil {
		return false
	}
	_, ok := s.User(name)
	return ok
}

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !v.applies(c) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	cert := v.certificateOf(c)
	if c.Token() != "" && !v.isOwnName(cert, c) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	id, err := v.verify(ctx, cert, c)
	if err != nil {
		return identity.Identity{}, err
	}
	selection, err := c.UserSelection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), id)
	}
	id.Selection = selection
	id.Selection.OwnName = id.Name != "" && c.User == id.Name
	return id, nil
}

// verify returns the identity of a certificate, without what the client asks for.
func (v *Verifier) verify(ctx context.Context, cert *certificate, c *tokens.Credential) (identity.Identity, error) {
	id := identity.Identity{
		ID: cert.name, Authority: identity.Authority(v.cfg.Name), Method: identity.MethodCertificate,
		KeyID: cert.keyID, NotAfter: cert.notAfter, Attributes: cert.facts,
	}
	now := v.cfg.Now()
	switch {
	case cert.code != "":
		return id, tokens.Reject(cert.code, cert.cause, id)
	case now.Before(cert.notBefore):
		return id, tokens.Reject(CodeNotYetValid, "the certificate, or one of its chain, is not valid before "+cert.notBefore.UTC().Format(time.RFC3339), id)
	case !now.Before(cert.notAfter):
		return id, tokens.Reject(CodeExpired, "the certificate, or one of its chain, expired at "+cert.notAfter.UTC().Format(time.RFC3339), id)
	}
	switch err := v.cfg.Revocation.Check(ctx, cert.chain); {
	case errors.Is(err, revocation.ErrRevoked):
		return id, tokens.Reject(CodeRevoked, err.Error(), id)
	case errors.Is(err, revocation.ErrUnknown):
		return id, tokens.Reject(CodeNotChecked, err.Error(), id)
	case err != nil:
		return id, err
	}
	if v.cfg.Identity != BySubject {
		return id, nil
	}
	return v.userOf(cert, c)
}

// userOf returns the user of the directory who has a key with the certificate's subject.
func (v *Verifier) userOf(cert *certificate, c *tokens.Credential) (identity.Identity, error) {
	s := c.Directory(v.cfg.Snapshot)
	if s == nil {
		return identity.Identity{}, fmt.Errorf("%w: no directory is loaded", tokens.ErrUnavailable)
	}
	digest := directory.CertificateDigest(cert.subject)
	rec, ok := s.LookupKey(digest)
	switch {
	case ok && rec.Key.Kind() == directory.KeyCertificate && rec.Key.Other.DN == cert.subject:
	case s.Undecided(digest):
		return identity.Identity{}, fmt.Errorf("%w: directory entries that may hold the certificate's subject cannot be read", tokens.ErrUnavailable)
	default:
		return identity.Identity{}, tokens.Reject(CodeUnknownSubject, "no user has a key with the subject "+cert.subject, identity.Identity{})
	}
	id := identity.Identity{
		Name:       rec.User.Name,
		Authority:  identity.AuthorityDirectory,
		Method:     identity.MethodCertificate,
		KeyID:      rec.Key.ID,
		KeyPrint:   rec.Key.Print(),
		NotAfter:   cert.notAfter,
		Networks:   rec.Key.Networks,
		Attributes: cert.facts,
	}
	if end := rec.Key.Expires; !end.IsZero() && end.Before(id.NotAfter) {
		id.NotAfter = end
	}
	return id, tokens.CheckKey(rec, c, id, v.cfg.Now())
}

// certificateOf returns the parsed certificate of a credential. The key of the cache is
// the digest of all chains, since a CA of one of them may be what is asked for.
func (v *Verifier) certificateOf(c *tokens.Credential) *certificate {
	h := sha256.New()
	for _, chain := range c.VerifiedChains {
		_ = binary.Write(h, binary.BigEndian, uint32(len(chain))) //nolint:gosec // a digest takes any number
		for _, text := range chain {
			_ = binary.Write(h, binary.BigEndian, uint32(len(text))) //nolint:gosec // the same
			_, _ = h.Write([]byte(text))
		}
	}
	key := [sha256.Size]byte(h.Sum(nil))
	if cert, ok := v.parsed.Get(key); ok {
		v.hits.Add(1)
		return cert
	}
	v.misses.Add(1)
	cert := v.read(c.VerifiedChains)
	v.parsed.Add(key, cert)
	return cert
}

// Slow implements tokens.Slow.
func (v *Verifier) Slow(c *tokens.Credential) bool { return v.applies(c) && v.waits(c) }

// waits reports whether the certificate is good, but for the question if it is revoked,
// which nobody has answered yet.
func (v *Verifier) waits(c *tokens.Credential) bool {
	cert := v.certificateOf(c)
	now := v.cfg.Now()
	return cert.code == "" && !now.Before(cert.notBefore) && now.Before(cert.notAfter) && v.cfg.Revocation.Waits(cert.chain)
}

// Run implements tokens.Background.
func (v *Verifier) Run(ctx context.Context) { v.cfg.Revocation.Run(ctx) }

// Status implements tokens.Observable.
func (v *Verifier) Status() tokens.Status {
	s := tokens.Status{Caches: []tokens.CacheStatus{{
		Name: "certificates", Entries: v.parsed.Len(), Max: maxParsed, Hits: v.hits.Load(), Misses: v.misses.Load(),
	}}}
	v.cfg.Revocation.Status(&s)
	return s
}
