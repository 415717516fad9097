package push

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

// hexSize is the number of random bytes of a verification hash and of a header.
const hexSize = 32

// A Change is a new push configuration of a subscription.
type Change struct {
	handlers *Handlers
	push     *directory.Push // nil: none
	disabled bool            // no header
	hash     string          // if the endpoint has none
	header   string          // if a header is made
}

// NewChange checks a pushConfig. Its errors are of package apierror.
func (h *Handlers) NewChange(r *rest.Request, in *wire.PushConfig) (*Change, error) {
	push, err := h.configuration(in)
	if err != nil {
		return nil, err
	}
	c := &Change{handlers: h, push: push, disabled: in.AuthorizationHeader.Type == headerDisabled || h.cfg.Box == nil}
	if push == nil {
		return c, nil
	}
	if c.hash, err = randomHex(r.Random()); err == nil {
		c.header, err = randomHex(r.Random())
	}
	return c, err
}

// Of returns the configuration for a subscription that has another one now. The same endpoint
// keeps how it is verified, and its header; another one gets new ones.
func (c *Change) Of(ctx context.Context, project *directory.Project, sub string, now *directory.Push) (*directory.Push, error) {
	if c.push == nil {
		return nil, nil //nolint:nilnil // a subscription without push is no error
	}
	p := *c.push
	same := now != nil && cmp.Or(now.Type, directory.PushHTTP) == p.Type && now.Address() == p.Address()
	if same {
		p.VerificationHash, p.Verified, p.Authorization = now.VerificationHash, now.Verified, now.Authorization
	}
	if p.Type == directory.PushHTTP && p.VerificationHash == "" {
		p.VerificationHash, p.Verified = c.hash, false
	}
	if p.Type == directory.PushMattermost {
		p.VerificationHash, p.Verified = "", true
	}
	switch {
	case c.disabled || p.Type == directory.PushMattermost: // whose address is the secret
		p.Authorization = nil
	case p.Authorization == nil:
		sealed, err := c.handlers.seal(ctx, project, sub, c.header)
		if err != nil {
			return nil, err
		}
		p.Authorization = &directory.PushAuthorization{Sealed: sealed}
	}
	return &p, nil
}

func (h *Handlers) seal(ctx context.Context, project *directory.Project, sub, header string) ([]byte, error) {
	sealed, err := h.cfg.Box.Seal(ctx, []byte(header), place(project, sub))
	if err != nil {
		return nil, apierror.KeyUnavailable(err)
	}
	return sealed, nil
}

func randomHex(random io.Reader) (string, error) {
	b := make([]byte, hexSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return hex.EncodeToString(b), nil
}
