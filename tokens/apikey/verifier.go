package apikey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeMalformed = "key_malformed"
	CodeUnknown   = "key_unknown"
)

// maxTokenLength bounds the work of hashing. Real keys are much shorter.
const maxTokenLength = 4096

// Verifier looks up API keys in the directory of the decision. Another verifier may know a
// token that the directory does not, unless it has usher's own prefix.
type Verifier struct {
	snapshot func() *snapshot.Snapshot
	now      func() time.Time
}

var _ tokens.Rechecker = (*Verifier)(nil)

// NewVerifier returns a Verifier. snapshot is the fallback of
// tokens.Credential.Directory. It may return nil while no directory is loaded; Verify
// then returns ErrUnavailable.
func NewVerifier(snapshot func() *snapshot.Snapshot, now func() time.Time) *Verifier {
	return &Verifier{snapshot: snapshot, now: now}
}

// Name returns "apikey".
func (*Verifier) Name() string { return "apikey" }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	token := c.Token()
	if token == "" {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	if len(token) > maxTokenLength && !strings.HasPrefix(token, Prefix) {
		return identity.Identity{}, tokens.Unknown(CodeMalformed, "the token is longer than any API key")
	}
	if len(token) > maxTokenLength || Check(token) != nil {
		return identity.Identity{}, tokens.Reject(CodeMalformed, "the API key is mistyped or truncated", identity.Identity{})
	}
	s := c.Directory(v.snapshot)
	if s == nil {
		return identity.Identity{}, fmt.Errorf("%w: no directory is loaded", tokens.ErrUnavailable)
	}
	digest := directory.DigestOf(token)
	rec, ok := s.LookupKey(digest)
	ok = ok && rec.Key.Kind() == directory.KeyAPI // the digests of other kinds are of public texts
	switch {
	case !ok && s.Undecided(digest):
		return identity.Identity{}, fmt.Errorf("%w: directory entries that may hold this API key cannot be read", tokens.ErrUnavailable)
	case !ok && strings.HasPrefix(token, Prefix):
		return identity.Identity{}, tokens.Reject(CodeUnknown, "no user has this API key", identity.Identity{})
	case !ok:
		return identity.Identity{}, tokens.Unknown(CodeUnknown, "no user has this API key")
	}
	id := identity.Identity{
		Name:      rec.User.Name,
		Authority: identity.AuthorityDirectory,
		Method:    identity.MethodAPIKey,
		KeyID:     rec.Key.ID,
		KeyPrint:  rec.Key.Print(),
		NotAfter:  rec.Key.Expires,
		Networks:  rec.Key.Networks,
	}
	selection, err := c.Selection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), id)
	}
	id.Selection = selection
	id.Selection.OwnName = selection.IsZero() && c.User == rec.User.Name && c.User != token
	if err := tokens.CheckKey(rec, c, id, v.now()); err != nil {
		return identity.Identity{}, err
	}
	return id, nil
}

// Recheck implements tokens.Rechecker.
func (v *Verifier) Recheck(c *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	return tokens.RecheckKey(c.Directory(v.snapshot), c, id, directory.KeyAPI, CodeUnknown, v.now())
}
