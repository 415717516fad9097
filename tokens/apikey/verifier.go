package apikey

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeMalformed   = "key_malformed"
	CodeUnknown     = "key_unknown"
	CodeDisabled    = "key_disabled"
	CodeNotYetValid = "key_not_yet_valid"
	CodeExpired     = "key_expired"
	CodeNetwork     = "key_network"
	CodeSelection   = "empty_selection"
)

// maxTokenLength bounds the work of hashing. Real keys are much shorter.
const maxTokenLength = 4096

// Verifier looks up API keys in the directory of the decision.
type Verifier struct {
	snapshot func() *snapshot.Snapshot
	now      func() time.Time
}

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
	if len(token) > maxTokenLength || Check(token) != nil {
		return identity.Identity{}, tokens.Reject(CodeMalformed, "the API key is mistyped or truncated", identity.Identity{})
	}
	s := c.Directory(v.snapshot)
	if s == nil {
		return identity.Identity{}, fmt.Errorf("%w: no directory is loaded", tokens.ErrUnavailable)
	}
	digest := directory.DigestOf(token)
	rec, ok := s.LookupKey(digest)
	switch {
	case !ok && s.Undecided(digest):
		return identity.Identity{}, fmt.Errorf("%w: directory entries that may hold this API key cannot be read", tokens.ErrUnavailable)
	case !ok:
		return identity.Identity{}, tokens.Reject(CodeUnknown, "no user has this API key", identity.Identity{})
	}
	id := identity.Identity{
		Name:      rec.User.Name,
		Authority: identity.AuthorityDirectory,
		Method:    identity.MethodAPIKey,
		KeyID:     rec.Key.ID,
		NotAfter:  rec.Key.Expires,
		Networks:  rec.Key.Networks,
	}
	selection, err := c.Selection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(CodeSelection, err.Error(), id)
	}
	id.Selection = selection
	id.Selection.OwnName = selection.IsZero() && c.User == rec.User.Name && c.User != token
	if err := v.checkUsable(rec, c, id); err != nil {
		return identity.Identity{}, err
	}
	return id, nil
}

// checkUsable returns a Reason if a key of the directory may not be used now or from
// the client's address.
func (v *Verifier) checkUsable(rec directory.KeyRecord, c *tokens.Credential, id identity.Identity) error {
	if err := tokens.CheckUser(rec.User, id); err != nil {
		return err
	}
	now := v.now()
	switch {
	case rec.Key.Disabled:
		return tokens.Reject(CodeDisabled, "the key is disabled", id)
	case !rec.Key.NotBefore.IsZero() && now.Before(rec.Key.NotBefore):
		return tokens.Reject(CodeNotYetValid, "the key is not valid before "+rec.Key.NotBefore.Format(time.RFC3339), id)
	case !rec.Key.Expires.IsZero() && !now.Before(rec.Key.Expires):
		return tokens.Reject(CodeExpired, "the key expired at "+rec.Key.Expires.Format(time.RFC3339), id)
	case !within(c.Addr(), rec.Key.Networks):
		return tokens.Reject(CodeNetwork, "the key may not be used from this address", id)
	}
	return nil
}

// within reports whether a is in one of networks, or networks is empty. The zero Addr,
// of a client whose address is unknown, is in no network.
func within(a netip.Addr, networks []netip.Prefix) bool {
	if len(networks) == 0 {
		return true
	}
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
